"""What every room needs: files written whole or not at all, parquet, provenance, our own code as files, training curves."""
