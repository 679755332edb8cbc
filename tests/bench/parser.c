/* A hand-written parser of DL/T 645-2007 answers, as a limit to compare with: gcc -O3 -o parser parser.c
 *
 *     parser FILE PASSES
 *
 * Walks the stream, checks length, end and checksum, takes 33H off and writes columns into memory that it has touched
 * before: of each frame address (u64), identifier (u32), error (u8), number of its first value (u32); of each value the
 * unscaled number (i32). It knows the blocks of voltage, current, power, power factor and energy and nothing else.
 * Prints one line of JSON: frames, values, sum, and the CPU and wall seconds of every pass. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct columns {
    uint64_t *address;
    uint32_t *identifier, *first;
    uint8_t *error;
    int32_t *value;
    size_t frames, values;
    int64_t sum;
};

struct shape {
    int width, is_signed;
};

static uint8_t tens[256];

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline struct shape shape_of(uint32_t identifier) {
    static const struct shape energy = {4, 0}, voltage = {2, 0}, three = {3, 1}, factor = {2, 1}, none = {0, 0};
    switch (identifier >> 16) {
    case 0x0000:
    case 0x0001:
        return energy;
    case 0x0201:
        return voltage;
    case 0x0202:
    case 0x0203:
    case 0x0204:
        return three;
    case 0x0206:
        return factor;
    default:
        return none;
    }
}

/* The frame at `at`: its length, 0 if there is none. */
static inline size_t frame_at(const uint8_t *at, size_t left) {
    if (left < 12 || at[7] != 0x68)
        return 0;
    size_t length = (size_t)at[9] + 12;
    if (length > left || at[length - 1] != 0x16)
        return 0;
    uint8_t sum = 0;
    for (size_t n = 0; n + 2 < length; n++)
        sum = (uint8_t)(sum + at[n]);
    return sum == at[length - 2] ? length : 0;
}

static inline int32_t number(const uint8_t *sent, struct shape shape) {
    int32_t value = 0;
    int minus = 0;
    for (int n = shape.width - 1; n >= 0; n--) {
        uint8_t plain = (uint8_t)(sent[n] - 0x33);
        if (shape.is_signed && n == shape.width - 1) {
            minus = plain >> 7;
            plain &= 0x7F;
        }
        value = value * 100 + tens[plain];
    }
    return minus ? -value : value;
}

static void decode(const uint8_t *bytes, size_t size, struct columns *out) {
    size_t at = 0, frames = 0, values = 0;
    int64_t sum = 0;
    while (at < size) {
        size_t length;
        if (bytes[at] != 0x68 || (length = frame_at(bytes + at, size - at)) == 0) {
            at++;
            continue;
        }
        const uint8_t *frame = bytes + at, *end = frame + length - 2;
        uint64_t address = 0;
        memcpy(&address, frame + 1, 6);
        out->address[frames] = address;
        out->first[frames] = (uint32_t)values;
        out->error[frames] = 0;
        out->identifier[frames] = 0;
        if (frame[8] & 0x40) {
            out->error[frames] = (uint8_t)(frame[10] - 0x33);
        } else if (length >= 16) {
            uint32_t sent, identifier;
            memcpy(&sent, frame + 10, 4); /* four bytes minus 33H each, without a borrow between them */
            identifier = ((sent | 0x80808080u) - 0x33333333u) ^ (~(sent ^ 0x33333333u) & 0x80808080u);
            out->identifier[frames] = identifier;
            struct shape shape = shape_of(identifier);
            if (shape.width)
                for (const uint8_t *sent = frame + 14; sent + shape.width <= end; sent += shape.width) {
                    int32_t value = number(sent, shape);
                    out->value[values++] = value;
                    sum += value;
                }
        }
        frames++;
        at += length;
    }
    out->frames = frames;
    out->values = values;
    out->sum = sum;
}

static void *touched(size_t size) {
    void *memory = malloc(size);
    if (!memory)
        exit(1);
    return memset(memory, 1, size);
}

int main(int count, char **words) {
    if (count != 3)
        return 2;
    for (int n = 0; n < 256; n++)
        tens[n] = (uint8_t)((n >> 4) * 10 + (n & 15));
    FILE *file = fopen(words[1], "rb");
    if (!file)
        return 1;
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file), most = size / 12 + 1;
    rewind(file);
    uint8_t *bytes = touched(size + 16);
    if (fread(bytes, 1, size, file) != size)
        return 1;
    fclose(file);
    struct columns out = {touched(8 * most), touched(4 * most), touched(4 * most), touched(most), touched(2 * size + 4), 0, 0, 0};
    int passes = atoi(words[2]);
    printf("{\"cpu_s\": [");
    double wall[1000];
    for (int pass = 0; pass < passes && pass < 1000; pass++) {
        double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        wall[pass] = seconds(CLOCK_MONOTONIC);
        decode(bytes, size, &out);
        wall[pass] = seconds(CLOCK_MONOTONIC) - wall[pass];
        printf("%s%.6f", pass ? ", " : "", seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    }
    printf("], \"wall_s\": [");
    for (int pass = 0; pass < passes && pass < 1000; pass++)
        printf("%s%.6f", pass ? ", " : "", wall[pass]);
    printf("], \"frames\": %zu, \"values\": %zu, \"sum\": %lld}\n", out.frames, out.values, (long long)out.sum);
    return 0;
}
