/*
 * What a process that works with secrets does before it touches the first.
 */
#ifndef NUSEC_HOST_BASE_PROCESS_H
#define NUSEC_HOST_BASE_PROCESS_H

/* No core file of this process, nor of its children: a software token keeps its keys in the memory
 * of whoever uses it, and a crash would write them to disk. */
void process_forbid_core_dumps(void);

#endif
