// Counts in texts for people: "1 job", "2 jobs".
#ifndef COMMON_PLURAL_H
#define COMMON_PLURAL_H

// The word for so many, or all of the sentence that depends on how many; 0 has the second.
//
//     printf("%u %s put\n", n, plural(n, "job", "jobs"));
static inline const char *plural(double n, const char *one, const char *more)
{
    return n == 1 ? one : more;
}

#endif
