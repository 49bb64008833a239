/* Stands before time(3) of QEMU, whose security module takes the time of its documents from there:
   adds the seconds that stand in a file. For cases of a clock that jumps (clock.rs). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

time_t time(time_t *out)
{
    struct timespec now;
    long jump = 0;
    const char *path = getenv("MORTISE_BOOT_JUMP");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file) {
        if (fscanf(file, "%ld", &jump) != 1)
            jump = 0;
        fclose(file);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += jump;
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
