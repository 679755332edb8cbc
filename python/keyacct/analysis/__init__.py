"""One public function per analysis: voltage compliance, power factor, load, month statistics of files."""
