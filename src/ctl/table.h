/* SPDX-License-Identifier: MIT
 * table.h - columns of text on stdout
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdbool.h>

struct ctl_table;
struct json_object;

#define CTL_TABLE_COLUMNS_MAX 16u

/* @columns_max: of the terminal; the table cuts longer cells. */
struct ctl_column {
	const char *title;
	unsigned columns_max;
	bool right;
};

/* @columns: @count of them, borrowed for as long as the table. Return: owned, never
 * NULL. */
struct ctl_table *ctl_table_create(const struct ctl_column *columns, unsigned count);
void ctl_table_destroy(struct ctl_table *table);
/* Adds the next cell, row by row; NULL or "" becomes "-". */
void ctl_table_put(struct ctl_table *table, const char *text);
/* The same, but takes @text. */
void ctl_table_take(struct ctl_table *table, char *text);
/* Prints the titles and all rows, which must be complete. */
void ctl_table_print(const struct ctl_table *table);

/* ---- cells of a device; "-" if unknown ---- */

void ctl_table_put_name(struct ctl_table *table, struct json_object *device);
void ctl_table_put_number(struct ctl_table *table, struct json_object *device,
			  const char *key);
void ctl_table_put_bytes(struct ctl_table *table, struct json_object *device,
			 const char *key);
/* The name of @device for people. Return: borrowed, NULL if it has none. */
const char *ctl_device_name(struct json_object *device);

#endif /* CTL_TABLE_H */
