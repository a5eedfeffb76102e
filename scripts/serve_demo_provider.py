"""Serve the demo's scripted provider on this host: it retells and solves the demo's problems, as a model behind an API would.

python scripts/serve_demo_provider.py --port 8765
"""

import argparse
import contextlib
import sys

from mathrl.core.files import UserError, run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8765, help="on 127.0.0.1 (default 8765; 0 takes a free one)")
    args = parser.parse_args()

    from mathrl.demo import provider

    try:
        server = provider.make_server(args.port, provider.good)
    except (OSError, OverflowError) as error:
        raise UserError(f"--port {args.port}: cannot be had ({error}); choose another") from None
    print(f"http://127.0.0.1:{server.server_port}/v1", file=sys.stderr, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    run_main(main)
