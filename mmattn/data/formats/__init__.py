"""Formats of data sets that people have; ``source.read_source`` recognises and reads them all."""
