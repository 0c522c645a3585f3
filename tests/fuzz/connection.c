// Whole connections: whatever clients send, in whatever pieces, the daemon answers in lines of JSON, holds no
// more than it may, and has every job back when they are gone. Bytes that never stand in JSON say what else
// happens: see the switch below; all others are sent by one of two clients.
#include "tests/fuzz/fuzz.h"

#include "common/json_reader.h"
#include "tests/unit/rpc_fixture.h"

#include <string.h>

#define REQUEST(id, method, params)                                                                          \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" params "}}"
#define CALL(id, method, params) REQUEST(id, method, params) "\n"

enum { OTHER_CLIENT = 1, TURN, RECONNECT, DEAF, LISTEN, TICK };

static const struct slice seeds[] = {
    SLICE(CALL("1", "put", "\"queue\":\"q\",\"body\":{\"a\":[1,2.50]},\"priority\":-1.5,\"delay\":0.001")
              CALL("2", "get", "\"queue\":\"q\",\"timeout\":0.001") "\x06\x02" CALL("3", "ack", "\"id\":1")),
    SLICE(CALL("1", "get",
               "\"queues\":[\"q\",\"r\"],\"max\":3") "\x01" CALL("1", "put",
                                                                 "\"queue\":\"r\",\"body\":1") "\x01\x03"),
    SLICE(
        CALL("1", "submit", "\"queue\":\"q\",\"body\":\"\\u00e9\",\"key\":\"k\",\"key_for\":3,\"expires\":1")
            CALL("2", "result", "\"id\":1") "\x01" CALL("\"x\"", "get", "\"queue\":\"q\"")
                CALL("4", "nack", "\"id\":1,\"error\":[1],\"delay\":0") "\x04\x02\x05"),
    SLICE("[" REQUEST("1", "get", "\"queue\":\"q\"") "," REQUEST("2", "ping",
                                                                 "") ",7," REQUEST("3", "$/cancelRequest",
                                                                                   "\"id\":1") "]\n[]\n"),
    SLICE(CALL(
        "1", "declare",
        "\"queue\":\"q\",\"maxsize\":1,\"order\":\"lifo\",\"backoff\":{\"base\":0},\"dead_letter\":\"d\"")
              CALL("2", "put", "\"queue\":\"q\",\"body\":1")
                  CALL("3", "put", "\"queue\":\"q\",\"body\":2,\"timeout\":1") "\x01" CALL(
                      "1", "get", "\"queue\":\"q\",\"auto_ack\":true")
                      CALL("2", "shutdown", "\"queue\":\"q\",\"immediate\":true")),
    SLICE(CALL("1", "jobs",
               "\"queue\":\"q\",\"state\":\"ready\",\"limit\":1,\"after\":\"0-1-0-1\",\"bodies\":true")
              CALL("2", "queues", "\"limit\":1") CALL("3", "stats", "") CALL("4", "job", "\"id\":1")
                  CALL("5", "delete", "\"queue\":\"q\"") CALL("6", "kick", "\"id\":1")
                      CALL("7", "drop", "\"queue\":\"q\"") CALL("8", "hello", "\"client\":\"c\"")
                          CALL("9", "pool", "")),
    SLICE(CALL("1", "join", "\"queue\":\"q\"") CALL("2", "pause", "\"queue\":\"q\"")
              CALL("3", "resume", "\"queue\":\"q\"")
                  CALL("4", "release", "\"id\":1,\"delay\":1,\"priority\":2")
                      CALL("5", "bury", "\"id\":1,\"error\":0") CALL("6", "touch", "\"id\":1,\"lease\":5")
                          CALL("7", "cancel", "\"id\":1")
                              CALL("8", "ack", "\"ids\":[1,2],\"delivery\":4294967297")),
    SLICE(
        CALL("1", "events", "\"queues\":[\"q*\"],\"states\":[\"ready\",\"deleted\"]") CALL("2", "events", "")
            CALL("3", "put", "\"queue\":\"q\",\"body\":1") "\x02\x06\x02" CALL("4", "drop", "\"queue\":\"q\"")
                CALL("5", "queues", "\"sort\":\"oldest\",\"match\":\"*\",\"counters\":true")
                    REQUEST("6", "$/cancelRequest", "\"id\":1") "\n\x04\x02\x06\x05\x02\x03"),
    SLICE("GET / HTTP/1.1\r\n\r\n"),
};

const struct slice *fuzz_seeds(size_t *count)
{
    *count = sizeof seeds / sizeof *seeds;
    return seeds;
}

const struct slice *fuzz_tokens(size_t *count)
{
    static const struct slice tokens[] = {
        SLICE("\x01"),
        SLICE("\x02"),
        SLICE("\x03"),
        SLICE("\x04"),
        SLICE("\x05"),
        SLICE("\x06"),
        SLICE("\n"),
        SLICE("\r\n"),
        SLICE("["),
        SLICE("]\n"),
        SLICE(","),
        SLICE("\"id\":1,"),
        SLICE("\"timeout\":0,"),
        SLICE("\"queue\":\"q\","),
        SLICE("\"queue\":\"r\","),
        SLICE("\"state\":\"dead\","),
        SLICE("\"max\":2,"),
        SLICE("\"auto_ack\":true,"),
        SLICE("\"detached\":true,"),
        SLICE("null"),
        SLICE("1e400"),
        SLICE("\\u0000"),
        SLICE("\"priority\":1,"),
        SLICE(CALL("1", "get", "\"queue\":\"q\"")),
        SLICE(CALL("2", "put", "\"queue\":\"q\",\"body\":1")),
        SLICE(CALL("3", "ack", "\"id\":1")),
        SLICE(CALL("4", "result", "\"id\":1")),
        SLICE(CALL("1", "events", "")),
        SLICE("{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{\"id\":1}}\n"),
    };
    *count = sizeof tokens / sizeof *tokens;
    return tokens;
}

// Every line of output is a reply or an array of replies.
static void check_output(struct peer *p)
{
    const char *at = p->out.data, *end = at + p->out.len, *newline;
    for (; at && at < end; at = newline + 1) {
        struct json_reader r;
        struct json_value v;
        newline = memchr(at, '\n', (size_t)(end - at));
        FUZZ_CHECK(newline);
        json_reader_init(&r, at, (size_t)(newline - at));
        r.depth_max = JSON_DEPTH_LIMIT;
        FUZZ_CHECK(json_reader_value(&r, &v) && json_reader_end(&r));
        FUZZ_CHECK(v.type == JSONR_OBJECT || v.type == JSONR_ARRAY);
        FUZZ_CHECK(v.raw.len > 20 && memmem(v.raw.data, v.raw.len, "\"jsonrpc\":\"2.0\"", 15));
    }
    buffer_clear(&p->out);
    FUZZ_CHECK(p->unread.len <= p->world->rpc.max_request || p->session.refused);
}

static void act(struct world *w, struct peer *p, uint8_t what)
{
    switch (what) {
    case TURN:
        world_turn(w);
        break;
    case RECONNECT:
        peer_close(p);
        peer_open(w, p);
        break;
    case DEAF:
        p->deaf = true;
        break;
    case LISTEN:
        peer_listen(p);
        break;
    case TICK:
        (void)hub_tick(w->hub);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w;
    struct peer peers[2];
    unsigned who = 0;
    world_init(&w);
    w.rpc.output_limit = 2000;
    w.rpc.max_body = 500;
    w.rpc.max_request = 1000;
    peer_open(&w, &peers[0]);
    peer_open(&w, &peers[1]);
    for (size_t i = 0; i < size;) {
        size_t n = i;
        while (n < size && !(data[n] >= OTHER_CLIENT && data[n] <= TICK))
            n++;
        if (n > i)
            peer_give(&peers[who], (const char *)data + i, n - i);
        if (n < size && data[n] == OTHER_CLIENT)
            who = !who;
        else if (n < size)
            act(&w, &peers[who], data[n]);
        i = n + 1;
    }
    world_settle(&w);
    for (int i = 0; i < 2; i++) {
        for (int n = 0; n < 1000 && peers[i].deaf; n++)
            peer_listen(&peers[i]);
        check_output(&peers[i]);
        peer_close(&peers[i]);
    }
    world_settle(&w);
    struct engine_info info;
    (void)hub_lock(w.hub);
    engine_info(hub_engine(w.hub), &info);
    hub_unlock(w.hub);
    FUZZ_CHECK(info.gauges.reserved == info.detached);
    FUZZ_CHECK(info.gauges.waiting_gets == 0 && info.gauges.waiting_puts == 0 &&
               info.gauges.waiting_joins == 0);
    FUZZ_CHECK(info.clients == 0);
    world_release(&w);
    return 0;
}
