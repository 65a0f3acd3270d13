/* What a CNI plugin prints on its standard output. Each function returns the exit status of the plugin. */
#ifndef AMBIT_CNI_REPORT_H
#define AMBIT_CNI_REPORT_H

#include "json.h"

/* Error codes of the CNI specification; the plugin's own begin at 100. */
enum cni_error {
	CNI_INCOMPATIBLE_VERSION = 1,
	CNI_INVALID_ENVIRONMENT = 4,
	CNI_IO_FAILURE = 5,
	CNI_UNDECODABLE = 6,
	CNI_INVALID_CONFIGURATION = 7,
	CNI_TRY_AGAIN_LATER = 11,
	CNI_UNAVAILABLE = 50,
};

/* Prints `text` as it is. */
int report_result(struct span text);

/* Prints an error object; `details` may be empty. Bytes that are no UTF-8 come out as question marks. */
int report_error(const char *cni_version, unsigned int code, const char *message, const char *details);

#endif
