// All that can be reached before `auth` where there are identities: whatever a stranger sends, in whatever
// pieces, it learns nothing, changes nothing, holds next to nothing, and is not listened to for ever. Bytes
// that never stand in JSON say what else happens: see the switch below.
#include "tests/fuzz/fuzz.h"

#include "common/json_reader.h"
#include "server/access/identity.h"
#include "server/access/strangers.h"
#include "tests/unit/rpc_fixture.h"

#include <string.h>

#define REQUEST(id, method, params)                                                                          \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" params "}}"
#define CALL(id, method, params) REQUEST(id, method, params) "\n"

#define TOKEN  "open-sesame"
#define MARK   "5ec12e7" // stands in all that a stranger must not hear of
#define LONGER (STRANGER_LINE + 10000)

enum { TURN = 1, RECONNECT, DEAF, LISTEN, LONG };

static const struct slice seeds[] = {
    SLICE(CALL("1", "auth", "\"token\":\"guess\"") "\x01" CALL("2", "put", "\"queue\":\"q\",\"body\":1")),
    SLICE(CALL("1", "auth", "\"token\":\"" TOKEN "\"") CALL("2", "get", "\"queue\":\"" MARK "\"")),
    SLICE(CALL("1", "auth", "\"token\":\"\\u006fpen-sesame\"") CALL("2", "who", "")),
    SLICE(CALL("1", "hello", "\"client\":\"c\"") CALL("2", "ping", "") CALL("3", "job", "\"id\":1")),
    SLICE("[" REQUEST("1", "auth", "\"token\":\"a\"") "," REQUEST("2", "ping", "") ",7," REQUEST(
        "3", "$/cancelRequest", "\"id\":1") "," REQUEST("4", "auth", "\"token\":1") "]\n[]\n"),
    SLICE(CALL("1", "submit", "\"queue\":\"" MARK "\",\"body\":1,\"notify\":true")
              CALL("1", "result", "\"id\":1") CALL("1", "jobs", "\"queue\":\"" MARK "\"")
                  CALL("1", "queues", "") CALL("1", "stats", "") CALL("1", "drop", "\"queue\":\"" MARK "\"")
                      CALL("1", "backup", "\"folder\":\"/tmp\"")),
    SLICE("\x05" CALL("1", "ping", "")),
    SLICE("GET / HTTP/1.1\r\n\r\n"),
    SLICE("{\"jsonrpc\":\"2.0\",\"method\":\"auth\",\"params\":{\"token\":\"b\"}}\n\x03" CALL("1", "nothing",
                                                                                              "")),
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
        SLICE("\n"),
        SLICE("["),
        SLICE("]\n"),
        SLICE(","),
        SLICE("\"token\":"),
        SLICE("\"queue\":\"" MARK "\","),
        SLICE("\\u0000"),
        SLICE("\"id\":1,"),
        SLICE(CALL("1", "auth", "\"token\":\"guess\"")),
        SLICE(CALL("1", "ping", "")),
        SLICE(CALL("1", "get", "\"queue\":\"" MARK "\"")),
        SLICE(CALL("1", "ack", "\"id\":1")),
        SLICE("{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{\"id\":1}}\n"),
    };
    *count = sizeof tokens / sizeof *tokens;
    return tokens;
}

struct scene {
    struct world world;
    struct access access;
    struct strangers strangers;
    struct peer known, stranger;
    struct buffer before; // what the known one is told of the daemon
};

static void is_one_line_of_json(struct slice line)
{
    struct json_reader r;
    struct json_value v;
    json_reader_init(&r, line.data, line.len);
    r.depth_max = JSON_DEPTH_LIMIT;
    FUZZ_CHECK(json_reader_value(&r, &v) && json_reader_end(&r));
    FUZZ_CHECK(v.type == JSONR_OBJECT || v.type == JSONR_ARRAY);
}

// What it hears is the protocol's, and says nothing but who it is not.
static void check_stranger(struct scene *s)
{
    struct peer *p = &s->stranger;
    const char *at = p->out.data, *end = at + p->out.len, *newline;
    if (p->session.who)
        return;
    FUZZ_CHECK(!p->session.client && !p->session.waits);
    FUZZ_CHECK(p->session.requests <= STRANGER_REQUESTS + DISPATCH_ROUND);
    // What a connection is not read for is not taken from it; here it is given all the same.
    FUZZ_CHECK(p->unread.len <= STRANGER_LINE || p->session.queued ||
               dispatch_blocked(&p->world->dispatch, &p->session));
    for (; at && at < end; at = newline + 1) {
        newline = memchr(at, '\n', (size_t)(end - at));
        FUZZ_CHECK(newline);
        struct slice line = {at, (size_t)(newline - at)};
        is_one_line_of_json(line);
        // Only auth, hello and ping have results, and none of them bears the mark.
        FUZZ_CHECK(!memmem(line.data, line.len, "\"jobs\":[", 8) &&
                   !memmem(line.data, line.len, "\"body\":\"" MARK, 15));
    }
    buffer_clear(&p->out);
}

static void ask_known(struct scene *s, struct buffer *out)
{
    buffer_clear(out);
    const char *said =
        peer_ask(&s->known, REQUEST("1", "jobs", "\"queue\":\"" MARK "\",\"bodies\":true,\"limit\":9"));
    // But for what grows by itself.
    const char *age = strstr(said, "\"created\"");
    buffer_append(out, said, age ? (size_t)(age - said) : strlen(said));
    struct engine_info info;
    (void)hub_lock(s->world.hub);
    engine_info(hub_engine(s->world.hub), &info);
    hub_unlock(s->world.hub);
    const uint64_t counts[] = {info.queues, info.clients, info.detached};
    buffer_append(out, (const char *)counts, sizeof counts);
    buffer_append(out, (const char *)&info.gauges, sizeof info.gauges);
}

static void begin(struct scene *s)
{
    struct identity *i = access_add(&s->access, IDENTITY_TOKEN, "known");
    FUZZ_CHECK(i && token_hash(SLICE(TOKEN), &i->sha256) && identity_grant(i, "*", ROLE_ALL));
    world_init(&s->world);
    strangers_init(&s->strangers, 10, 1);
    s->world.rpc.strangers = &s->strangers;
    s->world.rpc.output_limit = 5000;
    s->world.rpc.max_request = 100000;
    world_shares(&s->world, &s->access);
    peer_open(&s->world, &s->known);
    FUZZ_CHECK(strstr(peer_ask(&s->known, REQUEST("0", "auth", "\"token\":\"" TOKEN "\"")), "known"));
    FUZZ_CHECK(
        strstr(peer_ask(&s->known, REQUEST("0", "put", "\"queue\":\"" MARK "\",\"body\":\"" MARK "\"")),
               "result"));
    ask_known(s, &s->before);
    peer_open(&s->world, &s->stranger);
}

static void act(struct scene *s, uint8_t what)
{
    static char blank[LONGER];
    switch (what) {
    case TURN:
        world_turn(&s->world);
        break;
    case RECONNECT:
        check_stranger(s);
        peer_close(&s->stranger);
        peer_open(&s->world, &s->stranger);
        break;
    case DEAF:
        s->stranger.deaf = true;
        break;
    case LISTEN:
        peer_listen(&s->stranger);
        break;
    case LONG:
        memset(blank, '{', sizeof blank);
        peer_give(&s->stranger, blank, sizeof blank);
        break;
    }
}

// Whether it may be among what is said: spelt out, or with escapes.
static bool has_token(const uint8_t *data, size_t size)
{
    struct buffer said = BUFFER_INIT;
    for (size_t i = 0; i < size; i++)
        if (!(data[i] >= TURN && data[i] <= LONG))
            buffer_append_byte(&said, (char)data[i]);
    bool has = said.len > 0 &&
               (memmem(said.data, said.len, TOKEN, sizeof TOKEN - 1) || memchr(said.data, '\\', said.len));
    buffer_release(&said);
    return has;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scene s = {0};
    begin(&s);
    for (size_t i = 0; i < size;) {
        size_t n = i;
        while (n < size && !(data[n] >= TURN && data[n] <= LONG))
            n++;
        if (n > i)
            peer_give(&s.stranger, (const char *)data + i, n - i);
        if (n < size)
            act(&s, data[n]);
        i = n + 1;
    }
    world_settle(&s.world);
    for (int n = 0; n < 1000 && s.stranger.deaf; n++)
        peer_listen(&s.stranger);
    check_stranger(&s);
    // Who got in had the token; who did not has changed nothing.
    struct buffer after = BUFFER_INIT;
    ask_known(&s, &after);
    if (!has_token(data, size))
        FUZZ_CHECK(!s.stranger.session.who && after.len == s.before.len &&
                   memcmp(after.data, s.before.data, after.len) == 0);
    buffer_release(&after);
    buffer_release(&s.before);
    peer_close(&s.stranger);
    peer_close(&s.known);
    world_settle(&s.world);
    world_release(&s.world);
    access_release(&s.access);
    return 0;
}
