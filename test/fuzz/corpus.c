/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * corpus - gives the files of a folder to a fuzz target, in place of libFuzzer.
 *
 *   fuzz_x FOLDER     "ok fuzz_x: N inputs"; a target that finds something aborts
 */
#include "fuzz.h"

#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX ((size_t)1 << 20)

/* In a block of exactly its size, so that a sanitizer sees what is read beyond. */
static bool try_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    uint8_t *room = mem_alloc(INPUT_MAX);
    size_t n = fread(room, 1, INPUT_MAX, file);
    bool ok = !ferror(file);
    fclose(file);
    uint8_t *data = mem_alloc(n ? n : 1);
    memcpy(data, room, n);
    free(room);
    if (ok)
        LLVMFuzzerTestOneInput(data, n);
    free(data);
    return ok;
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    int count = argc == 2 ? scandir(argv[1], &entries, NULL, alphasort) : -1, inputs = 0;
    bool ok = count >= 0;
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            /* Said before: if it aborts, this is the last line. */
            printf("# %s\n", entries[i]->d_name);
            fflush(stdout);
            ok = try_file(argv[1], entries[i]->d_name) && ok;
            inputs++;
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    ok = ok && inputs > 0;
    printf("%s %s: %d inputs\n", ok ? "ok" : "not ok", name, inputs);
    return ok ? 0 : 1;
}
