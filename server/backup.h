// Backups: copies of the store while it is used on, each on a thread of its own, one at a time.
#ifndef SERVER_BACKUP_H
#define SERVER_BACKUP_H

#include "server/committer.h"
#include "server/rpc/rpc.h"

struct backups;

// NULL: no memory. The committer must outlive it.
struct backups *backups_new(struct committer *committer);

// Ends the copy under way, if any: what it made is removed. Then frees. While the mailboxes that were given
// still are.
void backups_free(struct backups *b);

// What struct rpc wants; the context is the backups. Any thread.
struct backup *backup_begin(void *context, struct slice folder, struct mailbox *mailbox, enum error *why);
bool backup_ended(struct backup *b, struct backup_result *out);
void backup_leave(struct backup *b);

#endif
