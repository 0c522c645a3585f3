#!/usr/bin/env python3
"""An example of a `process` handler's child: counts the words of the files that a job names, and says how far it is.

    handler "words" {
        kind = process
        command = {"/usr/local/lib/taskq/words.py"}
        workers = 2
    }

    $ taskq submit --wait words '["README.md","LICENSE"]'
    {"README.md": 512, "LICENSE": 169}
"""
import json
import sys


def say(**members):
    sys.stdout.write(json.dumps(members) + "\n")
    sys.stdout.flush()  # the daemon waits for the whole line


def count(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return sum(len(line.split()) for line in file)


# The end of the input says that the child is not needed any more.
for line in sys.stdin:
    job = json.loads(line)
    try:
        words = {}
        for done, path in enumerate(job["body"]):
            say(id=job["id"], progress={"done": done, "total": len(job["body"]), "message": path})
            words[path] = count(path)
        say(id=job["id"], result=words)
    except (OSError, TypeError) as error:
        say(id=job["id"], error=str(error))
