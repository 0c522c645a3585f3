"""Whether common/protocol.md is complete and agrees with the tables of the code. Needs no daemon."""

import json
import os
import re
import unittest

import lib
from access import rows
from run_examples import WORD, Mismatch, match, parse, substitute

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def source(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def requests(lines):
    """The requests of an example that are JSON, batches taken apart."""
    for line in lines:
        found = re.match(r"[A-Z]?--> (.*)", line)
        try:
            value = json.loads(found[1]) if found else None
        except ValueError:
            continue
        for request in value if isinstance(value, list) else [value]:
            if isinstance(request, dict):
                yield request


class DocumentTest(unittest.TestCase):
    def setUp(self):
        self.document = lib.Document.get()

    def test_every_error_of_the_code_is_listed_and_no_other(self):
        rows = re.findall(r'X\([A-Z_]+, (-\d+), "([a-z_]+)"', source("common/error.h"))
        self.assertGreater(len(rows), 10)
        self.assertEqual({name: int(code) for code, name in rows}, self.document.errors)

    def test_every_setting_of_a_queue_is_a_param_of_declare(self):
        rows = re.findall(r"^ +X\((\w+), [A-Z]+,", source("server/engine/settings.h"), re.M)
        settings = {"backoff" if row.startswith("backoff_") else row for row in rows}
        self.assertGreater(len(settings), 5)
        params = {name for name, *_ in self.document.params["declare"]}
        self.assertEqual(settings | {"queue", "owned"}, params)

    def test_every_counter_and_gauge_is_listed(self):
        text = source("server/engine/stats.h")
        for table in ("QUEUE_COUNTERS", "QUEUE_GAUGES"):
            names = re.findall(r"^ +X\((\w+), ", re.search(r"#define %s\(X\)(.*?[^\\])\n" % table, text, re.S)[1], re.M)
            self.assertGreater(len(names), 5)
            for name in names:
                self.assertIn("`%s`" % name, self.document.sections["stats"])

    def test_every_series_of_the_history_is_listed(self):
        names = re.findall(r"^ +X\((\w+), (?:COUNT|LEVEL),", source("server/metrics/history.h"), re.M)
        self.assertGreater(len(names), 10)
        for name in names:
            self.assertIn("`%s`" % name, self.document.sections["history"])

    def test_the_page_shows_figures_that_there_are(self):
        tables = {table: set(re.findall(r"^ +X\((\w+), ", re.search(r"#define %s\(X\)(.*?[^\\])\n" % table, source(path), re.S)[1], re.M))
                  for table, path in (("QUEUE_COUNTERS", "server/engine/stats.h"), ("QUEUE_GAUGES", "server/engine/stats.h"),
                                      ("STORE_STATS", "server/store/store.h"), ("HISTORY_SERIES", "server/metrics/history.h"),
                                      ("HISTORY_QUEUE_SERIES", "server/metrics/history.h"))}
        shown = 0
        for folder, _, files in os.walk(os.path.join(ROOT, "server", "admin", "web")):
            for name in (name for name in files if name.endswith(".js")):
                with open(os.path.join(folder, name)) as file:
                    text = file.read()
                plotted = re.findall(r'key: "(\w+)"', "".join(re.findall(r"new Plot\((.*?)\],", text, re.S)))
                for names, known in ((re.findall(r"\bcounters\.(\w+)", text), tables["QUEUE_COUNTERS"]),
                                     (re.findall(r"\bgauges\.(\w+)", text), tables["QUEUE_GAUGES"]),
                                     (re.findall(r"\bstore\.(\w+_\w+)", text), tables["STORE_STATS"]),
                                     (plotted, tables["HISTORY_SERIES"] | tables["HISTORY_QUEUE_SERIES"])):
                    shown += len(names)
                    self.assertEqual(set(names) - known, set(), name)
        self.assertGreater(shown, 15)

    def test_every_figure_of_the_store_is_listed(self):
        names = re.findall(r"^ +X\((\w+), (?:true|false), \"", source("server/store/store.h"), re.M)
        self.assertGreater(len(names), 10)
        for name in names:
            self.assertIn("`%s`" % name, self.document.sections["stats"])

    def test_what_every_method_needs_is_as_its_row_says(self):
        documented = {}
        for methods, roles in re.findall(r"^\| ((?:`[^`]+` ?)+)\| ((?:`[a-z]+` ?)*)\|",
                                         self.document.sections["Who may do what"], re.M):
            for method in re.findall(r"`([^`]+)`", methods):
                documented[method] = set(re.findall(r"`([a-z]+)`", roles))
        table = {method: roles for method, (scope, roles, _) in rows().items()}
        table["queues"] = set()  # leaves out what may not be read
        self.assertEqual(table, documented)

    def test_every_method_has_a_section_with_an_example_of_it(self):
        self.assertGreater(len(self.document.methods), 25)
        self.assertEqual(len(set(self.document.methods)), len(self.document.methods))
        for method in self.document.methods:
            self.assertIn(method, self.document.sections)
            used = [request.get("method") for _, title, lines in self.document.exchanges() if title == method
                    for request in requests(lines)]
            self.assertIn(method, used, "an example of " + method)

    def test_every_method_says_its_params_and_its_result(self):
        for method in self.document.methods:
            section = self.document.sections[method]
            if "has no params" not in section:
                self.assertTrue(self.document.params[method], method)
            if method not in ("submit", "$/cancelRequest"):
                self.assertRegex(section, r"(?m)^Result:", method)

    def test_examples_use_only_what_the_tables_name(self):
        deliberate = {"prioritty", "nonsense"}
        for start, _, lines in self.document.exchanges():
            for request in requests(lines):
                method = request.get("method")
                if method == "frobnicate":
                    continue
                self.assertIn(method, self.document.methods, "line %d" % start)
                as_put = self.document.params["put"] if method in ("submit", "call") else []
                rows = self.document.params[method] + as_put
                for name in set(request.get("params", {})) - deliberate:
                    self.assertIn(name, {row[0] for row in rows}, "%s at line %d" % (method, start))

    def test_examples_are_well_formed(self):
        count = 0
        for start, _, lines in self.document.exchanges():
            count += 1
            known = set()
            for line in lines:
                found = re.fullmatch(r"[A-Z]?(-->|<--|--x|<-x)(?: (.*))?", line)
                self.assertTrue(found, "line %d: %s" % (start, line))
                if found[1] == "<--":
                    json.loads(found[2])
                    known |= set(WORD.findall(found[2]))
                elif found[1] == "-->":
                    self.assertLessEqual(set(WORD.findall(found[2])), known, "line %d: %s" % (start, line))
        self.assertGreaterEqual(count, len(self.document.methods))

    def test_every_error_comes_in_an_example_or_is_said_to_be_rare(self):
        shown = set(re.findall(r'"name":"([a-z_]+)"', self.document.text))
        # What an example cannot bring about: limits, a broken disk, a stopping daemon, permissions.
        rare = {"internal_error", "too_large", "overloaded", "draining", "unauthorized", "forbidden"}
        self.assertEqual(set(self.document.errors) - shown, rare)

    def test_links_lead_somewhere(self):
        anchors = {re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in self.document.sections}
        for target in re.findall(r"\]\(#([^)]+)\)", self.document.text):
            self.assertIn(target, anchors)


class MatchTest(unittest.TestCase):
    """The comparison that run_examples makes: it must refuse whatever differs."""

    def test_what_matches(self):
        for expected, got in (('{"a":1,"b":[2.50]}', '{"b":[2.50],"a":1}'), ('"<int>"', "-12"), ('"<number>"', "1e400"),
                              ('"<string>"', '""'), ('"<bool>"', "false"), ('"<object>"', '{"a":1}'), ('"<array>"', "[]"),
                              ('"<any>"', "null"), ('["<x>","<x>"]', '["1","1"]'), ('"<x>"', "[1]"), ("null", "null"),
                              ('{"a":1,"a":2}', '{"a":1,"a":2}')):
            match(parse(expected), parse(got), {})

    def test_what_does_not(self):
        for expected, got in (("1", "1.0"), ("2.50", "2.5"), ("1", '"1"'), ("null", "0"), ("true", "1"), ("false", "null"),
                              ('{"a":1}', "{}"), ("{}", '{"a":1}'), ('{"a":1}', '{"b":1}'), ('{"a":1}', '{"a":1,"a":1}'),
                              ("[1]", "[]"), ("[1,2]", "[2,1]"), ("[]", "{}"), ('"<int>"', "1.5"), ('"<int>"', '"1"'),
                              ('"<number>"', '"1"'), ('"<string>"', "1"), ('"<bool>"', "0"), ('"<object>"', "[]"),
                              ('"<array>"', "{}"), ('["<x>","<x>"]', '[1,"1"]'), ('["<x>","<x>"]', "[1,2]"),
                              ('["<x>","<x>"]', "[{},[]]")):
            with self.subTest(expected=expected, got=got), self.assertRaises(Mismatch):
                match(parse(expected), parse(got), {})

    def test_substitution(self):
        captured = {}
        match(parse('["<a>","<b>"]'), parse('[1.50,"x"]'), captured)
        self.assertEqual(substitute('{"a":"<a>","b":["<b>"]}', captured), '{"a":1.50,"b":["x"]}')
        with self.assertRaises(Mismatch):
            substitute('"<c>"', captured)


if __name__ == "__main__":
    lib.main()
