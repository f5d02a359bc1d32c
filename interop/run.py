"""Runs the unittest suites of the given folders: python run.py FOLDER..."""

import pathlib
import sys
import unittest


def main() -> int:
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    suite = unittest.TestSuite()
    for folder in sys.argv[1:]:
        # One loader each: a loader remembers the first folder as the top of all.
        suite.addTest(unittest.TestLoader().discover(folder))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    passed = result.testsRun - failed - skipped
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
