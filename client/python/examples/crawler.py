#!/usr/bin/env python3
"""A crawler: producers fetch the pages of a site, consumers index them, and queues stand between.

    crawler.py http://127.0.0.1:8000/ --fetchers 4 --indexers 2 --find daemon queue

Fetchers are threads, since they wait most of the time; indexers are processes, since they compute. Both take from a
JoinableQueue: who dies before task_done() gives its page back to the others. A link is put with its address as the job's
key, so that it is fetched once, whoever finds it first. The queues have names, and so more of both can be started on
other machines with --join NAME, for as long as the first one runs.
"""

import argparse
import collections
import html.parser
import multiprocessing
import re
import secrets
import threading
import urllib.error
import urllib.parse
import urllib.request

import taskq

ONCE = 3600  # seconds for which an address is not fetched again


class Page(html.parser.HTMLParser):
    """A page's words and links."""

    def __init__(self, address, text):
        super().__init__()
        self.address, self.links, self._texts = address, set(), []
        self.feed(text)
        self.close()
        self.words = collections.Counter(re.findall(r"\w+", " ".join(self._texts).lower()))

    def handle_starttag(self, tag, attributes):
        link = dict(attributes).get("href")
        if tag == "a" and link:
            self.links.add(urllib.parse.urldefrag(urllib.parse.urljoin(self.address, link)).url)

    def handle_data(self, data):
        self._texts.append(data)


class Crawl:
    """The crawl's queues: addresses to fetch, texts to index, and what the indexers found."""

    def __init__(self, name, url=None, most=100):
        self.client = taskq.Client(url)
        self.addresses = taskq.JoinableQueue(name=name + ".addresses", url=self.client, durable=False)
        self.texts = taskq.JoinableQueue(most, name=name + ".texts", url=self.client, durable=False)  # fetchers wait when full
        self.found = taskq.Queue(name=name + ".found", url=self.client, durable=False)

    def add(self, address):
        self.client.put(self.addresses.name, address, key=address[:255], key_for=ONCE)

    def drop(self):
        for queue in (self.addresses, self.texts, self.found):
            self.client.drop(queue.name)
        self.client.close()


def fetch(crawl, site):
    """One fetcher: until there is nothing to fetch any more."""
    while True:
        try:
            address = crawl.addresses.get()
        except taskq.ShutDown:
            return
        try:
            with urllib.request.urlopen(address, timeout=10) as reply:
                if reply.headers.get_content_type() == "text/html":
                    text = reply.read().decode(reply.headers.get_content_charset() or "utf-8", "replace")
                    for link in Page(address, text).links:
                        if link.startswith(site):
                            crawl.add(link)
                    crawl.texts.put([address, text])
        except (OSError, ValueError) as error:  # urllib's errors are OSErrors
            print("%s: %s" % (address, error), flush=True)
        crawl.addresses.task_done()  # after what it led to was put, so that join() does not end too early


def index(name, url):
    """One indexer, a process: counts the words of pages until there are no more."""
    crawl = Crawl(name, url)
    while True:
        try:
            address, text = crawl.texts.get()
        except taskq.ShutDown:
            return
        crawl.found.put([address, Page(address, text).words])
        crawl.texts.task_done()


def start(crawl, site, options):
    fetchers = [threading.Thread(target=fetch, args=(crawl, site)) for _ in range(options.fetchers)]
    indexers = [multiprocessing.Process(target=index, args=(options.join, options.url)) for _ in range(options.indexers)]
    for each in indexers + fetchers:
        each.start()
    return fetchers + indexers


def crawl_site(options):
    """Starts it all, waits for its end, and returns the index: for each word the pages that have it, and how often."""
    crawl = Crawl(options.join, options.url)
    workers = start(crawl, options.site, options)
    crawl.add(options.site)
    crawl.addresses.join()
    crawl.texts.join()
    for queue in (crawl.addresses, crawl.texts):
        queue.shutdown()  # their get() says so to the fetchers and indexers
    words, pages = collections.defaultdict(dict), set()
    while True:
        try:
            address, counts = crawl.found.get_nowait()
        except taskq.Empty:
            break
        pages.add(address)  # who died between put() and task_done() has it indexed twice
        for word, count in counts.items():
            words[word][address] = count
    for each in workers:
        each.join()
    crawl.drop()
    return words, len(pages)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", help="where it begins; what does not begin with this is not followed")
    parser.add_argument("--fetchers", type=int, default=4)
    parser.add_argument("--indexers", type=int, default=2)
    parser.add_argument("--url", help="the daemon (else TASKQ_ADDR, else 127.0.0.1:7480)")
    parser.add_argument("--join", metavar="NAME", help="help with the crawl of this name; the first one says its name")
    parser.add_argument("--find", nargs="*", default=[], metavar="WORD", help="print which pages have the word")
    options = parser.parse_args()
    if options.join:
        for each in start(Crawl(options.join, options.url), options.site, options):
            each.join()
        return
    options.join = "crawl-" + secrets.token_hex(4)
    print("this is --join %s" % options.join, flush=True)
    words, pages = crawl_site(options)
    print("%d pages, %d words" % (pages, len(words)))
    for word in options.find:
        for address, count in sorted(words.get(word.lower(), {}).items(), key=lambda each: (-each[1], each[0])):
            print("%s: %d x in %s" % (word, count, address))


if __name__ == "__main__":
    main()
