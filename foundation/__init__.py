"""What every room stands on: faults said in sentences, declared specs, files finished by rename, provenance.

This package knows nothing of galaxies or networks. It imports the standard library and the YAML reader
alone, because the specs that stand on it are also read inside the Snakefile.
"""
