/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Could a bounce be sent to the sender's domain? Its mail exchangers, or where it has none
 * its addresses, say so (RFC 5321 section 5.1); whether these hosts live is not asked. The
 * same of the name in HELO, which is of the DNS when it has either.
 */
#include "facts.h"

static void finish(struct fact *fact, enum policy_domain domain)
{
	fact_answer(fact, &(struct policy_facts){ .sender_domain = domain, .helo_domain = domain });
	fact_idle(fact);
}

/* The name in HELO, or the sender's domain; false when that is none of the DNS. */
static bool domain_of(const struct fact *fact, uint8_t text[static ADDRESS_DOMAIN_BYTES_MAX], struct span *domain_out)
{
	struct address sender;
	if (fact->which == POLICY_FACT_HELO) {
		*domain_out = fact->input.helo;
		return domain_out->len > 0;
	}
	bool good = address_parse(fact->input.sender, &sender) && !sender.literal;
	*domain_out = span_of(text, good ? address_domain_ascii(sender.domain, text) : 0);
	return domain_out->len > 0;
}

static void on_addresses(void *arg, const struct dns_address_answer *answer)
{
	switch (answer->status) {
	case DNS_OK:
		finish(arg, POLICY_DOMAIN_GOOD);
		return;
	case DNS_NO_DATA:
		finish(arg, POLICY_DOMAIN_NO_MAIL);
		return;
	case DNS_NO_NAME:
		finish(arg, POLICY_DOMAIN_NO_NAME);
		return;
	default:
		finish(arg, POLICY_DOMAIN_NOT_KNOWN);
	}
}

static void on_mx(void *arg, const struct dns_mx_answer *answer)
{
	struct fact *fact = arg;
	uint8_t text[ADDRESS_DOMAIN_BYTES_MAX];
	struct span domain;
	if (answer->status == DNS_OK && answer->count > 0)
		finish(fact, answer->count == 1 && answer->hosts[0].name[0] == 0 ? POLICY_DOMAIN_NULL_MX : POLICY_DOMAIN_GOOD);
	else if (answer->status == DNS_NO_NAME)
		finish(fact, POLICY_DOMAIN_NO_NAME);
	else if ((answer->status == DNS_OK || answer->status == DNS_NO_DATA) && !fact->answered
		 && domain_of(fact, text, &domain))
		dns_ask_addresses(fact->facts->dns, domain, on_addresses, fact);
	else
		finish(fact, POLICY_DOMAIN_NOT_KNOWN);
}

void fact_domain_begin(struct fact *fact, const struct policy_context *context)
{
	uint8_t text[ADDRESS_DOMAIN_BYTES_MAX];
	struct span domain;
	(void)context;
	if (!domain_of(fact, text, &domain) || fact->facts->dns == NULL) {
		fact_answer(fact, &(struct policy_facts){ .sender_domain = POLICY_DOMAIN_NOT_KNOWN,
			.helo_domain = POLICY_DOMAIN_NOT_KNOWN });
		return;
	}
	fact->working = true;
	dns_ask_mx(fact->facts->dns, domain, on_mx, fact);
}
