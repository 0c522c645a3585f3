// The log's reader. The input is what stands in the first segment, on a disk in memory. Its first byte says
// how:
//   bit 0: frames are sealed with right checksums, as only the store can write them; else as they are
//   bit 1: the segment's head is the input's own, too; else a right one
//   bit 2: with recover
//   bit 3: for reading only
// Whatever the input is, the loading must end with a word about it, and what it loaded it must load again.
#include "tests/fuzz/fuzz.h"

#include "server/store/format.h"
#include "tests/crash/disk.h"

#include <string.h>

#define SEED    42
#define RECORDS 64

struct record {
    struct store_place place;
    uint32_t sum;
};

struct seen {
    struct record records[RECORDS];
    uint64_t calls;
};

static enum store_error take(void *arg, const struct store_record *r, struct store_place *old)
{
    struct seen *s = arg;
    uint32_t sum = 1;
    for (uint32_t i = 0; i < r->length; i++) // all of it can be read
        sum = sum * 31 + ((const uint8_t *)r->bytes)[i];
    s->calls++;
    FUZZ_CHECK(r->kind != 0 && (!r->deleted || r->length == 0));
    if (r->kind != 1 || r->id >= RECORDS)
        return STORE_OK;
    struct record *mine = &s->records[r->id];
    *old = mine->place;
    *mine = (struct record){0};
    if (!r->deleted)
        *mine = (struct record){{r->segment, r->length}, sum};
    return STORE_OK;
}

static void ignore(void *arg, const char *line)
{
    (void)arg;
    FUZZ_CHECK(line[0] != '\0');
}

static enum store_error load(struct disk *disk, bool recover, bool read, struct seen *seen,
                             struct store **out)
{
    char message[STORE_MESSAGE_MAX];
    struct store_options o = {.path = "disk",
                              .segment_size = STORE_SEGMENT_MIN,
                              .recover = recover,
                              .mode = read ? STORE_READ : STORE_WRITE,
                              .io = disk_io(disk)};
    FUZZ_CHECK(store_open_log(&o, out, message) == STORE_OK);
    memset(seen, 0, sizeof *seen);
    enum store_error e =
        store_load(*out, &(struct store_loader){.arg = seen, .record = take, .remark = ignore});
    FUZZ_CHECK(e == STORE_OK || store_message(*out)[0] != '\0');
    return e;
}

// Takes the bytes for frames and gives them heads that fit, so that what lies behind the checksums is
// reached.
static void seal_frames(uint8_t *at, size_t size)
{
    uint64_t batch = 1;
    while (size >= FORMAT_FRAME_SIZE) {
        uint32_t length, count, oldest;
        memcpy(&oldest, at + 20, sizeof oldest);
        memcpy(&length, at + 24, sizeof length);
        memcpy(&count, at + 28, sizeof count);
        size_t room = (size - FORMAT_FRAME_SIZE) / FORMAT_ALIGN;
        struct format_frame f = {.batch = batch++,
                                 .segment = 1,
                                 .oldest = oldest == 0 ? 1 : oldest,
                                 .count = count};
        f.length = FORMAT_ALIGN * (uint32_t)(length / FORMAT_ALIGN % (room + 1));
        format_frame_seal(at, &f, SEED);
        at += FORMAT_FRAME_SIZE + f.length;
        size -= FORMAT_FRAME_SIZE + f.length;
    }
}

static struct disk *make_disk(uint8_t how, const uint8_t *data, size_t size)
{
    uint8_t *file = calloc(1, STORE_SEGMENT_MIN);
    FUZZ_CHECK(file);
    struct format_head head = {.version = FORMAT_VERSION,
                               .number = 1,
                               .size = STORE_SEGMENT_MIN,
                               .seed = SEED};
    size_t front = how & 2 ? 0 : FORMAT_HEAD_SIZE;
    if (size > STORE_SEGMENT_MIN - front)
        size = STORE_SEGMENT_MIN - front;
    if (size > 0)
        memcpy(file + front, data, size);
    if (!(how & 2))
        format_head_write(file, &head);
    if (how & 1 && front + size > FORMAT_HEAD_SIZE)
        seal_frames(file + FORMAT_HEAD_SIZE, front + size - FORMAT_HEAD_SIZE);
    struct disk *disk = disk_new(1);
    disk_add(disk, "0000000001.log", file, how & 8 ? front + size : STORE_SEGMENT_MIN);
    free(file);
    return disk;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t how = data[0];
    struct disk *disk = make_disk(how, data + 1, size - 1);
    struct seen first, second;
    struct store *store;
    enum store_error e = load(disk, how & 4, how & 8, &first, &store);
    if (!e && !(how & 8)) {
        uint32_t segment;
        FUZZ_CHECK(store_batch_begin(store, STORE_RECORD_SIZE(3), &segment) == STORE_OK);
        memcpy(store_batch_put(store, 1, 0, 3, first.records[0].place), "abc", 3);
        first.records[0] = (struct record){{segment, 3}, ((31 + 'a') * 31 + 'b') * 31 + 'c'};
        FUZZ_CHECK(store_commit(store) == STORE_OK);
    }
    store_close(store);
    if (!e) {
        e = load(disk, how & 4, how & 8, &second, &store);
        FUZZ_CHECK(e == STORE_OK);
        FUZZ_CHECK(memcmp(first.records, second.records, sizeof first.records) == 0);
        store_close(store);
    }
    disk_free(disk);
    return 0;
}

const struct slice *fuzz_seeds(size_t *count)
{
    static uint8_t bytes[2][1 + 3 * (FORMAT_FRAME_SIZE + 40)];
    static struct slice seeds[2];
    for (int i = 0; i < 2; i++) {
        uint8_t *at = bytes[i] + 1;
        bytes[i][0] = (uint8_t)(i == 0); // sealed anew after each mutation, or as it is
        for (uint64_t batch = 1; batch <= 3; batch++) {
            uint8_t *records = at + FORMAT_FRAME_SIZE;
            memcpy(format_record_write(records, 1, false, batch, 5), "hello", 5);
            format_record_write(records + STORE_RECORD_SIZE(5), 1, batch > 1, batch - 1, 0);
            format_frame_seal(at, &(struct format_frame){0, batch, 1, 1, 40, 2}, SEED);
            at += FORMAT_FRAME_SIZE + 40;
        }
        seeds[i] = (struct slice){(const char *)bytes[i], sizeof bytes[i]};
    }
    *count = 2;
    return seeds;
}
