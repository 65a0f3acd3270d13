/*
 * The CNI agent's list of namespaces, which outlives it and the node's boot:
 *
 *   ambit-enrolment 1
 *   enrolled shop
 *   plain default
 *   excluded kube-system
 *   end
 *
 * cni/src/plugin-server/enrolment-list.ts writes it.
 */
#ifndef AMBIT_CNI_ENROLMENT_LIST_H
#define AMBIT_CNI_ENROLMENT_LIST_H

#include <stddef.h>

enum enrolment {
	/* Not listed, or there is no list that can be believed. */
	ENROLMENT_UNKNOWN,
	/* Pods of the namespace may not run outside the mesh. */
	ENROLMENT_ENROLLED,
	/* Pods of the namespace are none of the mesh's business, or are the mesh itself. */
	ENROLMENT_NONE,
};

/*
 * What the list at `path` says of a namespace. It is believed as a whole or not at all: a regular file of root or of our own
 * user that nobody else can write, each line of it right. NULL as `name` only checks the list. When it cannot be believed, `problem`
 * says why; otherwise it is empty.
 */
enum enrolment enrolment_of(const char *path, const char *name, char *problem, size_t problem_size);

#endif
