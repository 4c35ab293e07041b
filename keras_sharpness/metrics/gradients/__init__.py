"""Second derivatives that TensorFlow lacks, or has wrong or slow."""
