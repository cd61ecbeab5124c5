"""The declarations that come with Winnow: one data set, one file, one constant DATASET."""
