"""Runs every example of common/protocol.md, each against a daemon of its own, and compares what comes with what the
document says. PATH-OF-TASKQD [LINE…]: with line numbers, only the examples that begin there.
"""

import json
import re
import sys

import lib

WORD = re.compile(r'"<([a-z_]+)>"')
TYPES = {
    "int": lambda v: isinstance(v, Number) and re.fullmatch(r"-?\d+", v),
    "number": lambda v: isinstance(v, Number),
    "string": lambda v: type(v) is str,
    "bool": lambda v: isinstance(v, bool),
    "object": lambda v: isinstance(v, Object),
    "array": lambda v: type(v) is list,
    "any": lambda v: True,
}


class Number(str):
    """A number as its text: 1.50 is not 1.5."""


class Object(list):
    """An object as its pairs: doubled members stay."""


class Mismatch(Exception):
    pass


def parse(text):
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number, object_pairs_hook=Object)


def render(value):
    """JSON text of a parsed value, for a captured value that is sent."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, Object):
        return "{" + ",".join(json.dumps(k) + ":" + render(v) for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(render, value)) + "]"
    return json.dumps(value)


def match(expected, got, captured, where="the reply"):
    """Raises Mismatch where `got` is not what the document shows; keeps captures."""
    word = WORD.fullmatch('"%s"' % expected) if type(expected) is str else None
    if word and word[1] in TYPES:
        if not TYPES[word[1]](got):
            raise Mismatch("%s: %s is not of type %s" % (where, render(got), word[1]))
    elif word and word[1] not in captured:
        captured[word[1]] = got
    elif word:
        if type(captured[word[1]]) is not type(got) or captured[word[1]] != got:
            raise Mismatch("%s: %s, but <%s> was %s" % (where, render(got), word[1], render(captured[word[1]])))
    elif type(expected) is not type(got):
        raise Mismatch("%s: %s where %s was expected" % (where, render(got), render(expected)))
    elif isinstance(expected, Object):
        left = list(got)
        for name, value in expected:
            pair = next((p for p in left if p[0] == name), None)
            if pair is None:
                raise Mismatch("%s: no member %s in %s" % (where, name, render(got)))
            left.remove(pair)
            match(value, pair[1], captured, where + "." + name)
        if left:
            raise Mismatch("%s: unexpected member %s" % (where, ", ".join(name for name, _ in left)))
    elif type(expected) is list:
        if len(expected) != len(got):
            raise Mismatch("%s: %d elements instead of %d" % (where, len(got), len(expected)))
        for i, (a, b) in enumerate(zip(expected, got)):
            match(a, b, captured, "%s[%d]" % (where, i))
    elif expected != got:
        raise Mismatch("%s: %s where %s was expected" % (where, render(got), render(expected)))


def substitute(line, captured):
    def value(found):
        if found[1] not in captured:
            raise Mismatch("<%s> has no value yet" % found[1])
        return render(captured[found[1]])
    return WORD.sub(value, line)


def run(lines):
    """Plays one example. Raises Mismatch or AssertionError, with the line's number in the block."""
    captured, connections = {}, {}
    with lib.Daemon() as daemon:
        for number, line in enumerate(lines, 1):
            try:
                who, verb, rest = re.fullmatch(r"([A-Z]?)(-->|<--|--x|<-x) ?(.*)", line).groups()
                if who not in connections:
                    connections[who] = daemon.connect()
                connection = connections[who]
                if verb == "-->":
                    connection.send_line(substitute(rest, captured))
                elif verb == "<--":
                    got = connection.line()
                    if got is None:
                        raise Mismatch("the daemon closed the connection")
                    match(parse(rest), parse(got), captured)
                elif verb == "<-x":
                    connection.expect_end()
                    connections[who] = None
                else:
                    connection.close()
                    connections[who] = None
            except (Mismatch, AssertionError, OSError, ValueError) as problem:
                raise Mismatch("line %d, %s\n    %s" % (number, line, problem)) from problem
        for connection in connections.values():
            if connection:
                connection.expect_nothing()
                connection.close()


def main():
    if len(sys.argv) < 2:
        raise SystemExit("usage: %s PATH-OF-TASKQD [LINE…]" % sys.argv[0])
    lib._binary = sys.argv[1]
    wanted = set(map(int, sys.argv[2:]))
    passed = failed = 0
    for start, title, lines in lib.Document.get().exchanges():
        if wanted and start not in wanted:
            continue
        try:
            run(lines)
            passed += 1
        except (Mismatch, AssertionError) as problem:
            failed += 1
            print("protocol.md:%d (%s): %s" % (start, title, problem))
    print("run_examples: %d examples, %d failed" % (passed + failed, failed))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
