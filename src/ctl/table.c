/* SPDX-License-Identifier: MIT
 * table.c - columns of text on stdout
 */
#include "ctl/table.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"
#include "ctl/text.h"
#include "util/compiler.h"

/* @text is clean and takes @columns of the terminal. */
struct cell {
	char *text;
	unsigned columns;
};

/**
 * struct ctl_table
 * @widths:	of the columns up to now
 * @cells:	owned: @ncells of @room, row by row
 */
struct ctl_table {
	const struct ctl_column *columns;
	unsigned ncolumns;
	unsigned widths[CTL_TABLE_COLUMNS_MAX];
	struct cell *cells;
	size_t ncells;
	size_t room;
};

struct ctl_table *ctl_table_create(const struct ctl_column *columns, unsigned count)
{
	struct ctl_table *table = ctl_alloc(sizeof(*table));

	assert(count > 0 && count <= CTL_TABLE_COLUMNS_MAX);
	table->columns = columns;
	table->ncolumns = count;
	for (unsigned i = 0; i < count; i++)
		table->widths[i] = (unsigned)strlen(columns[i].title);
	return table;
}

void ctl_table_destroy(struct ctl_table *table)
{
	for (size_t i = 0; i < table->ncells; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

static void make_room(struct ctl_table *table)
{
	struct cell *cells;

	if (table->ncells < table->room)
		return;
	table->room = MAX_OF(2 * table->room, (size_t)64);
	cells = ctl_alloc(table->room * sizeof(*cells));
	if (table->ncells > 0)
		memcpy(cells, table->cells, table->ncells * sizeof(*cells));
	free(table->cells);
	table->cells = cells;
}

void ctl_table_put(struct ctl_table *table, const char *text)
{
	unsigned column = (unsigned)(table->ncells % table->ncolumns);
	struct cell *cell;

	make_room(table);
	cell = &table->cells[table->ncells++];
	cell->text = ctl_clean(text && text[0] ? text : "-",
			       table->columns[column].columns_max, &cell->columns);
	table->widths[column] = MAX_OF(table->widths[column], cell->columns);
}

void ctl_table_take(struct ctl_table *table, char *text)
{
	ctl_table_put(table, text);
	free(text);
}

static void print_cell(const struct ctl_table *table, unsigned column, const char *text,
		       unsigned columns)
{
	int pad = (int)(table->widths[column] - columns);
	bool last = column + 1 == table->ncolumns;

	if (table->columns[column].right)
		(void)printf("%*s%s", pad, "", text);
	else
		(void)printf("%s%*s", text, last ? 0 : pad, "");
	(void)fputs(last ? "\n" : "  ", stdout);
}

void ctl_table_print(const struct ctl_table *table)
{
	unsigned column = 0;

	for (unsigned i = 0; i < table->ncolumns; i++)
		print_cell(table, i, table->columns[i].title,
			   (unsigned)strlen(table->columns[i].title));
	for (size_t i = 0; i < table->ncells; i++) {
		print_cell(table, column, table->cells[i].text, table->cells[i].columns);
		column = column + 1 < table->ncolumns ? column + 1 : 0;
	}
	assert(column == 0);
}

/* ---- cells of a device ---- */

const char *ctl_device_name(struct json_object *device)
{
	const char *label = control_get_text(device, "label");
	const char *id = control_get_text(device, "id");
	const char *product = control_get_text(device, "product");

	/* skip a label that repeats the id */
	if (label && !(product && id && strcmp(label, id) == 0))
		return label;
	return product;
}

void ctl_table_put_name(struct ctl_table *table, struct json_object *device)
{
	ctl_table_put(table, ctl_device_name(device));
}

void ctl_table_put_number(struct ctl_table *table, struct json_object *device,
			  const char *key)
{
	int64_t number;

	if (control_get_number(device, key, &number))
		ctl_table_take(table, ctl_format("%lld", (long long)number));
	else
		ctl_table_put(table, NULL);
}

void ctl_table_put_bytes(struct ctl_table *table, struct json_object *device,
			 const char *key)
{
	int64_t bytes;

	if (control_get_number(device, key, &bytes))
		ctl_table_take(table, ctl_bytes_text(bytes));
	else
		ctl_table_put(table, NULL);
}
