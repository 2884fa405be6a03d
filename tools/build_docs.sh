#!/usr/bin/env bash
# Builds docs/ as a site, strictly: a link that leads nowhere or a name that is not found ends it.
set -euo pipefail

if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
    echo "Usage: bash tools/build_docs.sh
Builds the documentation in build/site, to be opened at build/site/index.html. Needs no network.
To search in it, serve it: python -m http.server --directory build/site"
    exit 0
fi

# shellcheck source=tools/python.sh
source "$(dirname "${BASH_SOURCE[0]}")/python.sh"
cd "$root"
"$PYTHON" -c 'import zensical, mkdocstrings_handlers.python' 2>/dev/null || {
    echo "error: the packages of the documentation are missing; run: pip install -e '.[docs]'" >&2
    exit 2
}
rm -rf build/site
"$PYTHON" docs/site/assemble.py build/docs && "$PYTHON" -m zensical build --strict --clean \
    && "$PYTHON" docs/site/check.py build/site || {
    echo 'error: the documentation has faults; correct them as it says above' >&2
    exit 1
}
echo 'written to build/site/index.html'
