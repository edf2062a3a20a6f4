"""One line for each check: `ok - name` or `FAIL - name: why`. The process fails if any check does."""

import argparse
import contextlib
import os
import pathlib
import signal
import sys
import threading
import traceback


def arguments(description):
    """Reads the command line, and sees to it that nothing leaves this machine or outlives the script."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--aimds", required=True, type=pathlib.Path, help="the aimds binary")
    parser.add_argument("--limit", type=float, default=240, help="seconds after which the script gives up")
    parsed = parser.parse_args()
    parsed.aimds = parsed.aimds.resolve()
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["NO_PROXY"] = "*"
    sys.excepthook = _fell_over
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("FAIL - told to stop"))
    limit = threading.Timer(parsed.limit, _give_up, [parsed.limit])
    limit.daemon = True
    limit.start()
    return parsed


def _give_up(limit):
    print(f"FAIL - the whole script: not finished after {limit:.0f} s", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Timer(10, os._exit, [1]).start()


def _fell_over(kind, error, trace):
    """What a script could not even begin counts as one failed check."""
    traceback.print_exception(kind, error, trace)
    why = " ".join(f"{kind.__name__}: {error}".split())
    print(f"FAIL - the whole script: {why}", flush=True)
    sys.stderr.flush()
    os._exit(1)


class Checks:
    """Counts what passed and what failed."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    @contextlib.contextmanager
    def check(self, name):
        """The body of `with checks.check(name):` asserts."""
        try:
            yield
        except Exception as error:
            self.failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            why = " ".join(f"{type(error).__name__}: {error}".split())[:400]
            print(f"FAIL - {name}: {why} (line {where.lineno} of {os.path.basename(where.filename)})", flush=True)
        else:
            self.passed += 1
            print(f"ok - {name}", flush=True)

    def finish(self):
        """Ends the process: 0 if everything passed and there was something to pass."""
        sys.stdout.flush()
        sys.stderr.flush()
        # Client libraries leave threads behind that nobody needs to wait for.
        os._exit(0 if self.passed and not self.failed else 1)


def equal(found, expected, what="value"):
    assert found == expected, f"{what} is {found!r}, not {expected!r}"


@contextlib.contextmanager
def raises(kind, saying=""):
    """The body must raise `kind`, with `saying` in its text. The error is kept as `.error` of what this gives."""
    caught = argparse.Namespace(error=None)
    try:
        yield caught
    except kind as error:
        caught.error = error
        text = f"{error} {getattr(error, 'detail', '')}"
        assert saying.lower() in text.lower(), f"the {type(error).__name__} says {text[:200]!r}, not {saying!r}"
    else:
        raise AssertionError(f"no {kind.__name__} was raised")
