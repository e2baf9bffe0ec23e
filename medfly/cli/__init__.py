"""The command line: `medfly ask | eval | train`. It composes the packages; it computes nothing itself."""
