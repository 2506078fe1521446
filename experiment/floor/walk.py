"""An ordinary script: walk.py SECONDS walks a tree, reads files and hashes them."""

import collections
import hashlib
import json
import os
import random
import sys
import tempfile
import time

end = time.monotonic() + float(sys.argv[1])
seen = collections.Counter()
while time.monotonic() < end:
    for top, dirs, files in os.walk(os.path.dirname(os.__file__)):
        for name in files:
            with open(os.path.join(top, name), "rb") as f:
                seen[hashlib.sha256(f.read()).hexdigest()] += random.randrange(2)
        with tempfile.NamedTemporaryFile("w") as f:
            json.dump(dict(seen.most_common(100)), f)
        if time.monotonic() >= end:
            break
