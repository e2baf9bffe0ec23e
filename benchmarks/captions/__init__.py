"""How well captions agree with reference texts: metrics of other libraries, each named with version and variant."""
