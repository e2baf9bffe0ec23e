"""Files and archives in, Scan and Sample out.

The adapters deliver physical values and window suggestions; they know no model, no crop and no screen.
From medfly they import medfly.types and medfly.geometry only.
"""

from __future__ import annotations

from data_adapters.catalogue import Catalogue, catalogue
from data_adapters.source import FileScan, read

__all__ = ["Catalogue", "FileScan", "catalogue", "read"]
