"""S-SSRF-6: which addresses the door refuses."""

from __future__ import annotations

import pytest

from workflows.http.addresses import METADATA, REFUSED, check_addresses, parse_ranges
from workflows.http.errors import AddressRefused

SPECIAL_ADDRESSES = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "3ffe::1",
    "5f00::1",
    "4000::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]
PUBLIC_ADDRESSES = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "168.63.129.15",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2001:200::1",
    "2606:4700::1111",
    "2a00:1450::1",
]


class TestCheckAddresses:
    @pytest.mark.parametrize("address", SPECIAL_ADDRESSES)
    def test_refuses_what_is_not_public(self, address):
        with pytest.raises(AddressRefused, match="SEGUE_ALLOWED_PRIVATE_NETWORKS") as caught:
            check_addresses([address], 80)

        assert address not in caught.value.message, "the door does not tell strangers about its network"
        assert caught.value.retryable is False

    @pytest.mark.parametrize(
        ("address", "kind"),
        [
            ("127.0.0.1", "loopback"),
            ("10.0.0.1", "private"),
            ("169.254.169.254", "link-local"),
            ("168.63.129.16", "a cloud's metadata service"),
            ("64:ff9b::a00:1", "an IPv4 address in disguise"),
            ("64:ff9b:1::a00:1", "an IPv4 address in disguise"),
            ("::ffff:10.0.0.1", "an IPv4 address in disguise"),
            ("fd00::1", "private"),
            ("2001::1", "a tunnel"),
            ("5f00::1", "reserved"),
        ],
    )
    def test_says_what_kind_of_address_it_is(self, address, kind):
        with pytest.raises(AddressRefused, match=rf"\({kind}\)"):
            check_addresses([address], 80)

    @pytest.mark.parametrize("network", [network for network, _ in REFUSED], ids=str)
    def test_refuses_a_range_from_its_first_address_to_its_last(self, network):
        for address in (network.network_address, network.broadcast_address):
            with pytest.raises(AddressRefused):
                check_addresses([str(address)], 80)

    @pytest.mark.parametrize("address", METADATA, ids=str)
    def test_refuses_where_clouds_tell_their_credentials(self, address):
        with pytest.raises(AddressRefused):
            check_addresses([str(address)], 80)

    @pytest.mark.parametrize("prefix", ["::", "::ffff:", "64:ff9b::", "64:ff9b:1::", "2002:7f00:1::"])
    @pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8"])
    def test_refuses_every_address_of_the_old_internet_in_the_new_one(self, prefix, inside):
        with pytest.raises(AddressRefused):
            check_addresses([f"{prefix}{inside}"], 80)

    @pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
    def test_lets_the_internet_pass(self, address):
        check_addresses([address], 443)

    @pytest.mark.parametrize("address", ["10.0.0.1", "::1", "169.254.169.254"])
    def test_refuses_all_for_one_bad_address_among_good_ones(self, address):
        with pytest.raises(AddressRefused):
            check_addresses(["1.1.1.1", address, "8.8.8.8"], 80)

    def test_lets_pass_what_the_operator_allows_and_nothing_beside_it(self):
        allowed = parse_ranges(["10.1.0.0/16", "fd00::/64"])

        check_addresses(["10.1.2.3", "fd00::1", "1.1.1.1"], 80, allowed=allowed)
        with pytest.raises(AddressRefused):
            check_addresses(["10.2.0.1"], 80, allowed=allowed)

    def test_an_allowed_range_does_not_open_its_other_spellings(self):
        with pytest.raises(AddressRefused):
            check_addresses(["::ffff:10.1.2.3"], 80, allowed=parse_ranges(["10.1.0.0/16"]))

    @pytest.mark.parametrize("port", [80, 443, 1024, 8080, 65535])
    def test_lets_the_ports_of_web_services_pass(self, port):
        check_addresses(["1.1.1.1"], port)

    @pytest.mark.parametrize("port", [22, 25, 81, 445, 1023, 2049, 6000, 6667])
    def test_refuses_other_ports(self, port):
        with pytest.raises(AddressRefused, match=f"Port {port} "):
            check_addresses(["1.1.1.1"], port)

    def test_any_port_will_do_in_a_range_that_the_operator_allows(self):
        check_addresses(["10.1.2.3"], 22, allowed=parse_ranges(["10.1.0.0/16"]))


class TestParseRanges:
    @pytest.mark.parametrize("text", ["10.0.0.1/8", "example.com", "10.0.0", "10.0.0.0/33"])
    def test_names_the_text_that_is_no_range(self, text):
        with pytest.raises(ValueError, match=text):
            parse_ranges(["10.0.0.0/8", text])
