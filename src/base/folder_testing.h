/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests only: a folder of the test's own, which goes with all that is in it. */
#ifndef TSK_BASE_FOLDER_TESTING_H
#define TSK_BASE_FOLDER_TESTING_H

#include <ftw.h>
#include <stdio.h>

static inline int tsk_folder_remove_one(const char *path, const struct stat *st, int flag,
					struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline int tsk_folder_remove(const char *path)
{
	return nftw(path, tsk_folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
