"""What all tests share: the folder on the path, for the naive twin."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
