#include "server/store/format.h"

#include <assert.h>
#include <endian.h>
#include <string.h>
#include <xxhash.h>

#define HEAD_MAGIC     0x676f6c716b736174u // "taskqlog"
#define FRAME_MAGIC    0x66717374u         // "tsqf"
#define RECORD_DELETED 1
#define RECORD_HEAD    16u
#define HEAD_CHECKED   (FORMAT_HEAD_SIZE - 8)  // bytes that a segment's checksum covers
#define FRAME_CHECKED  (FORMAT_FRAME_SIZE - 8) // bytes of a frame's head that its own checksum covers

// As they stand on disk; every number little-endian.
struct disk_head {
    uint64_t magic;
    uint32_t version;
    uint32_t number;
    uint64_t size;
    uint64_t seed;
    uint8_t id[16];
    uint8_t zero[FORMAT_HEAD_SIZE - 56];
    uint64_t checksum; // of all before it, seed 0
};

struct disk_frame {
    uint32_t magic;
    uint16_t version;
    uint16_t zero;
    uint64_t batch;
    uint32_t segment;
    uint32_t oldest;
    uint32_t length;
    uint32_t count;
    uint64_t records_checksum; // of the records, with the segment's seed
    uint64_t head_checksum;    // of all before it, with the segment's seed
};

struct disk_record {
    uint8_t kind;
    uint8_t flags;
    uint16_t zero;
    uint32_t length;
    uint64_t id;
};

static_assert(sizeof(struct disk_head) == FORMAT_HEAD_SIZE, "a segment's head is a block");
static_assert(offsetof(struct disk_head, version) == 8, "in all versions");
static_assert(offsetof(struct disk_head, number) == 12, "FORMAT.md");
static_assert(offsetof(struct disk_head, size) == 16, "FORMAT.md");
static_assert(offsetof(struct disk_head, seed) == 24, "FORMAT.md");
static_assert(offsetof(struct disk_head, id) == 32, "FORMAT.md");
static_assert(offsetof(struct disk_head, checksum) == 4088, "in all versions");
static_assert(sizeof(struct disk_frame) == FORMAT_FRAME_SIZE, "FORMAT.md");
static_assert(offsetof(struct disk_frame, batch) == 8, "FORMAT.md");
static_assert(offsetof(struct disk_frame, segment) == 16, "FORMAT.md");
static_assert(offsetof(struct disk_frame, oldest) == 20, "FORMAT.md");
static_assert(offsetof(struct disk_frame, length) == 24, "FORMAT.md");
static_assert(offsetof(struct disk_frame, count) == 28, "FORMAT.md");
static_assert(offsetof(struct disk_frame, records_checksum) == 32, "FORMAT.md");
static_assert(offsetof(struct disk_frame, head_checksum) == 40, "FORMAT.md");
static_assert(sizeof(struct disk_record) == RECORD_HEAD, "FORMAT.md");
static_assert(offsetof(struct disk_record, length) == 4, "FORMAT.md");
static_assert(offsetof(struct disk_record, id) == 8, "FORMAT.md");
static_assert(STORE_RECORD_SIZE(0) == RECORD_HEAD, "store.h");

void format_head_write(uint8_t block[FORMAT_HEAD_SIZE], const struct format_head *head)
{
    struct disk_head disk = {
        .magic = htole64(HEAD_MAGIC),
        .version = htole32(head->version),
        .number = htole32(head->number),
        .size = htole64(head->size),
        .seed = htole64(head->seed),
    };
    memcpy(disk.id, head->id, sizeof disk.id);
    disk.checksum = htole64(XXH3_64bits(&disk, HEAD_CHECKED));
    memcpy(block, &disk, sizeof disk);
}

enum format_verdict format_head_read(const uint8_t block[FORMAT_HEAD_SIZE], struct format_head *head)
{
    struct disk_head disk;
    memcpy(&disk, block, sizeof disk);
    if (le64toh(disk.magic) != HEAD_MAGIC || le64toh(disk.checksum) != XXH3_64bits(&disk, HEAD_CHECKED))
        return FORMAT_NONE;
    *head = (struct format_head){
        .version = le32toh(disk.version),
        .number = le32toh(disk.number),
        .size = le64toh(disk.size),
        .seed = le64toh(disk.seed),
    };
    memcpy(head->id, disk.id, sizeof head->id);
    return head->version == FORMAT_VERSION ? FORMAT_GOOD : FORMAT_FOREIGN;
}

void format_frame_seal(uint8_t *bytes, const struct format_frame *frame, uint64_t seed)
{
    struct disk_frame disk = {
        .magic = htole32(FRAME_MAGIC),
        .version = htole16(FORMAT_FRAME_VERSION),
        .batch = htole64(frame->batch),
        .segment = htole32(frame->segment),
        .oldest = htole32(frame->oldest),
        .length = htole32(frame->length),
        .count = htole32(frame->count),
        .records_checksum = htole64(XXH3_64bits_withSeed(bytes + FORMAT_FRAME_SIZE, frame->length, seed)),
    };
    disk.head_checksum = htole64(XXH3_64bits_withSeed(&disk, FRAME_CHECKED, seed));
    memcpy(bytes, &disk, sizeof disk);
}

enum format_verdict format_frame_read(const uint8_t *bytes, size_t available, uint32_t number, uint64_t seed,
                                      struct format_frame *frame)
{
    struct disk_frame disk;
    if (available < sizeof disk)
        return FORMAT_NONE;
    memcpy(&disk, bytes, sizeof disk);
    // The head has a checksum of its own, so that a length is believed only if it was written by us, and so
    // that a body full of false heads costs no more than one look at each. No client knows the seed.
    if (le32toh(disk.magic) != FRAME_MAGIC || le32toh(disk.segment) != number ||
        le64toh(disk.head_checksum) != XXH3_64bits_withSeed(&disk, FRAME_CHECKED, seed))
        return FORMAT_NONE;
    *frame = (struct format_frame){
        .version = le16toh(disk.version),
        .batch = le64toh(disk.batch),
        .segment = le32toh(disk.segment),
        .oldest = le32toh(disk.oldest),
        .length = le32toh(disk.length),
        .count = le32toh(disk.count),
    };
    if (frame->version != FORMAT_FRAME_VERSION)
        return FORMAT_FOREIGN;
    if (frame->batch == 0 || frame->oldest == 0 || frame->oldest > frame->segment)
        return FORMAT_NONE;
    if (frame->length > available - sizeof disk || frame->length % FORMAT_ALIGN != 0)
        return FORMAT_TORN;
    if (le64toh(disk.records_checksum) != XXH3_64bits_withSeed(bytes + sizeof disk, frame->length, seed))
        return FORMAT_TORN;
    return FORMAT_GOOD;
}

bool format_frame_find(const uint8_t *segment, size_t size, const struct format_head *head, uint64_t batch,
                       size_t *offset, struct format_frame *frame)
{
    const uint32_t magic = htole32(FRAME_MAGIC);
    for (size_t at = *offset; at + FORMAT_FRAME_SIZE <= size; at += FORMAT_ALIGN) {
        uint32_t word;
        memcpy(&word, segment + at, sizeof word);
        if (word != magic)
            continue;
        enum format_verdict v = format_frame_read(segment + at, size - at, head->number, head->seed, frame);
        if ((v == FORMAT_GOOD || v == FORMAT_FOREIGN) && frame->batch >= batch) {
            *offset = at;
            return true;
        }
    }
    return false;
}

bool format_frame_resembles(const uint8_t *bytes, size_t available, uint32_t number)
{
    struct disk_frame disk;
    if (available < sizeof disk)
        return false;
    memcpy(&disk, bytes, sizeof disk);
    return le32toh(disk.magic) == FRAME_MAGIC && le32toh(disk.segment) == number;
}

uint8_t *format_record_write(uint8_t *at, uint8_t kind, bool deleted, uint64_t id, uint32_t length)
{
    struct disk_record disk = {
        .kind = kind,
        .flags = deleted ? RECORD_DELETED : 0,
        .length = htole32(length),
        .id = htole64(id),
    };
    memcpy(at, &disk, sizeof disk);
    uint8_t *bytes = at + sizeof disk;
    size_t padding = STORE_RECORD_SIZE(length) - RECORD_HEAD - length;
    if (padding > 0)
        memset(bytes + length, 0, padding);
    return bytes;
}

bool format_record_read(const uint8_t *records, size_t length, size_t *offset, struct store_record *record)
{
    struct disk_record disk;
    if (length - *offset < sizeof disk)
        return false;
    memcpy(&disk, records + *offset, sizeof disk);
    uint32_t bytes = le32toh(disk.length);
    bool deleted = disk.flags & RECORD_DELETED;
    if (disk.kind == 0 || disk.flags & ~RECORD_DELETED || disk.zero != 0 || (deleted && bytes != 0))
        return false;
    if (STORE_RECORD_SIZE(bytes) > length - *offset)
        return false;
    record->kind = disk.kind;
    record->deleted = deleted;
    record->length = bytes;
    record->id = le64toh(disk.id);
    record->bytes = deleted ? NULL : records + *offset + sizeof disk;
    *offset += STORE_RECORD_SIZE(bytes);
    return true;
}
