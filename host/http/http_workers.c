#include "http/http_workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define QUEUE_MAX 4096

struct worker_thread {
    struct http_workers *workers;
    pthread_t thread;
    void *state; /* what worker_start returned */
};

struct http_workers {
    struct http_server_options options;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct http_exchange *first;
    struct http_exchange **last;
    unsigned queued;
    bool stop;
    atomic_uint busy; /* queued or in a worker's hands */
    unsigned started;
    struct worker_thread threads[];
};

static struct http_exchange *take(struct http_workers *workers) {
    struct http_exchange *exchange;

    pthread_mutex_lock(&workers->lock);
    while (workers->first == NULL && !workers->stop)
        pthread_cond_wait(&workers->arrived, &workers->lock);
    exchange = workers->first;
    if (exchange != NULL) {
        workers->first = exchange->next;
        if (workers->first == NULL)
            workers->last = &workers->first;
        workers->queued--;
    }
    pthread_mutex_unlock(&workers->lock);
    return exchange;
}

static void *worker_main(void *context) {
    struct worker_thread *thread = context;
    struct http_exchange *exchange;

    pthread_setname_np(pthread_self(), "http-worker");
    while ((exchange = take(thread->workers)) != NULL)
        thread->workers->options.handle(exchange, thread->state);
    return NULL;
}

static int start_thread(struct http_workers *workers, struct error *error) {
    struct worker_thread *thread = &workers->threads[workers->started];

    thread->workers = workers;
    thread->state = workers->options.worker_start(workers->options.context, error);
    if (thread->state == NULL)
        return -1;
    if (pthread_create(&thread->thread, NULL, worker_main, thread) != 0) {
        workers->options.worker_stop(thread->state);
        return error_set(error, ERROR_INTERNAL, "cannot start a worker thread");
    }
    workers->started++;
    return 0;
}

struct http_workers *http_workers_start(const struct http_server_options *options,
                                        struct error *error) {
    struct http_workers *workers =
        calloc(1, sizeof *workers + options->workers * sizeof workers->threads[0]);

    if (workers == NULL) {
        error_set(error, ERROR_INTERNAL, "out of memory");
        return NULL;
    }
    workers->options = *options;
    workers->last = &workers->first;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->arrived, NULL);
    while (workers->started < options->workers)
        if (start_thread(workers, error) != 0) {
            http_workers_stop(workers);
            return NULL;
        }
    return workers;
}

void http_workers_stop(struct http_workers *workers) {
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stop = true;
    pthread_cond_broadcast(&workers->arrived);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->started; i++) {
        pthread_join(workers->threads[i].thread, NULL);
        workers->options.worker_stop(workers->threads[i].state);
    }
    pthread_cond_destroy(&workers->arrived);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

int http_workers_put(struct http_workers *workers, struct http_exchange *exchange) {
    int result = -1;

    exchange->next = NULL;
    pthread_mutex_lock(&workers->lock);
    if (workers->queued < QUEUE_MAX) {
        exchange->in_worker = true;
        atomic_fetch_add(&workers->busy, 1);
        *workers->last = exchange;
        workers->last = &exchange->next;
        workers->queued++;
        result = 0;
        pthread_cond_signal(&workers->arrived);
    }
    pthread_mutex_unlock(&workers->lock);
    return result;
}

unsigned http_workers_busy(struct http_workers *workers) {
    return atomic_load(&workers->busy);
}

void http_workers_leave(struct http_workers *workers) {
    atomic_fetch_sub(&workers->busy, 1);
}
