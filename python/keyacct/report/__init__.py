"""Reports: a kind builds `Document`s (document.py), a writer per format (xlsx, html, csv) puts them on paper.

A document holds every number already rounded, so all formats show the same digits. Nothing here reads
samples; the kinds ask `keyacct.analysis`.
"""
