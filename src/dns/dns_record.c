/* SPDX-License-Identifier: Apache-2.0 */
/* Every length is checked against what is left; nothing is followed, so nothing loops. */
#include "dns_record.h"

#include "dns_mx.h"

#define LABEL_BYTES_MAX 63
#define TLSA_HEAD_BYTES 3

/* Anything else in a host name would have to be escaped everywhere it is shown, and no mail host needs it. */
static bool label_byte_ok(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool dns_name_parse(struct span wire, char out[static DNS_NAME_BYTES_MAX + 1])
{
	size_t len = 0;
	while (wire.len > 0) {
		size_t label = wire.ptr[0];
		if (label == 0) {
			out[len] = 0;
			return wire.len == 1;
		}
		if (label > LABEL_BYTES_MAX || wire.len < label + 1 || len + label + 1 > DNS_NAME_BYTES_MAX)
			return false;
		if (len > 0)
			out[len++] = '.';
		for (size_t i = 1; i <= label; i++) {
			uint8_t c = byte_lower(wire.ptr[i]);
			if (!label_byte_ok(c))
				return false;
			out[len++] = (char)c;
		}
		wire = span_from(wire, label + 1);
	}
	return false;
}

/* The strings of a TXT record with nothing between them (RFC 7208 section 3.3, RFC 6376 section 3.6.2.2). */
static bool txt_parse(struct span rdata, uint8_t *memory, struct dns_record *out)
{
	size_t len = 0;
	if (rdata.len == 0)
		return false;
	while (rdata.len > 0) {
		size_t string = rdata.ptr[0];
		if (rdata.len < string + 1)
			return false;
		memcpy(memory + len, rdata.ptr + 1, string);
		len += string;
		rdata = span_from(rdata, string + 1);
	}
	out->text = span_of(memory, len);
	return true;
}

/* A name is never longer as text than on the wire. */
static bool host_keep(const char *name, uint8_t *memory, struct dns_record *out)
{
	out->text = span_of(memory, strlen(name));
	memcpy(memory, name, out->text.len);
	return true;
}

static bool tlsa_keep(struct span rdata, uint8_t *memory, struct dns_record *out)
{
	if (rdata.len <= TLSA_HEAD_BYTES)
		return false;
	memcpy(memory, rdata.ptr, rdata.len);
	out->text = span_of(memory, rdata.len);
	return true;
}

static bool address_parse(struct span rdata, uint8_t family, struct dns_record *out)
{
	if (rdata.len != (family == 4 ? 4 : 16))
		return false;
	out->addr.family = family;
	memcpy(out->addr.bytes, rdata.ptr, rdata.len);
	return true;
}

bool dns_record_parse(enum dns_type type, struct span rdata, uint8_t *memory, struct dns_record *record_out)
{
	char name[DNS_NAME_BYTES_MAX + 1];
	struct dns_mx_host host;
	*record_out = (struct dns_record){ 0 };
	switch (type) {
	case DNS_TYPE_A:
		return address_parse(rdata, 4, record_out);
	case DNS_TYPE_AAAA:
		return address_parse(rdata, 6, record_out);
	case DNS_TYPE_MX:
		if (!dns_mx_parse(rdata, &host))
			return false;
		record_out->preference = host.preference;
		return host_keep(host.name, memory, record_out);
	case DNS_TYPE_CNAME:
	case DNS_TYPE_PTR:
		return dns_name_parse(rdata, name) && host_keep(name, memory, record_out);
	case DNS_TYPE_TXT:
		return txt_parse(rdata, memory, record_out);
	case DNS_TYPE_TLSA:
		return tlsa_keep(rdata, memory, record_out);
	}
	return false;
}

static bool labels_valid(struct span name)
{
	for (;;) {
		size_t dot = span_find(name, '.');
		if (dot == 0 || dot > LABEL_BYTES_MAX)
			return false;
		if (dot + 1 >= name.len) /* the last one, maybe with a final dot */
			return true;
		name = span_from(name, dot + 1);
	}
}

bool dns_name_present(struct span name, char out[static DNS_PRESENTED_BYTES_MAX + 1])
{
	size_t len = 0;
	if (name.len > DNS_NAME_BYTES_MAX || !labels_valid(name) || span_find(name, 0) < name.len)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == '\\')
			out[len++] = '\\';
		out[len++] = (char)name.ptr[i];
	}
	out[len] = 0;
	return true;
}
