"""One public function per analysis: voltage compliance, power factor, load, and the month statistics of plain files."""
