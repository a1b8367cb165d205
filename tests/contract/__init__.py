"""The contract of CallControl, for every implementation of it."""

import sys
from pathlib import Path

# pytest's importlib mode adds nothing to the path; the phones and the stack are in tests/e2e.
_TESTS = str(Path(__file__).parents[1])
if _TESTS not in sys.path:
    sys.path.insert(0, _TESTS)
