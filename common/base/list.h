/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * list - intrusive, doubly linked, circular; a head is a list_node that points to itself.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/mem.h"

struct list_node {
    struct list_node *prev, *next;
};

static inline void list_init(struct list_node *head)
{
    head->prev = head->next = head;
}

static inline bool list_is_empty(const struct list_node *head)
{
    return head->next == head;
}

static inline void list_append(struct list_node *head, struct list_node *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Takes the node out and leaves it as an empty list, so that removing twice is harmless. */
static inline void list_remove(struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = node;
}

/* The body may remove node (not the one that follows it). */
#define LIST_FOR_EACH(node, head)                                                                  \
    for (struct list_node *node = (head)->next, *node##_next = node->next; node != (head);         \
         node = node##_next, node##_next = node->next)

#endif
