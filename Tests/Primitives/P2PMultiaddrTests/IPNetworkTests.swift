import P2PMultiaddr
import Testing

@Suite("IP networks")
struct IPNetworkTests {
    @Test(
        "They are read strictly, and written back",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("10.1.2.3/8", "10.0.0.0/8"), ("192.0.2.1", "192.0.2.1"), ("192.0.2.1/32", "192.0.2.1"),
            ("0.0.0.0/0", "0.0.0.0/0"), ("2001:db8::/32", "2001:db8::/32"), ("2001:db8::1/127", "2001:db8::/127"), ("::1", "::1"),
            ("::/0", "::/0"),
            ("2001:db8:0:1:8000::/65", "2001:db8:0:1:8000::/65"), ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("", nil), ("/8", nil), ("10.0.0.0/", nil), ("10.0.0.0/33", nil), ("10.0.0.0/-1", nil), ("10.0.0.0/+8", nil), ("10.0.0/8", nil),
            ("10.0.0.0/8/8", nil), ("::/129", nil), ("example.org", nil), ("10.0.0.0/0008", nil), ("::ffff:10.0.0.0/8", nil),
        ] as [(String, String?)])
    func text(text: String, expected: String?) {
        #expect(IPNetwork(text)?.description == expected)
    }

    @Test(
        "An address is in a network when they have the first bits in common",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("192.0.2.128/25", "192.0.2.127", false),
            ("192.0.2.128/25", "192.0.2.200", true), ("0.0.0.0/0", "1.2.3.4", true), ("0.0.0.0/0", "::1", false),
            ("::/0", "1.2.3.4", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true), ("2001:db8::/64", "2001:db8::ffff:1", true),
            ("2001:db8::/64", "2001:db8:0:1::", false),
            ("2001:db8::8000:0:0:0/65", "2001:db8::8000:0:0:1", true), ("2001:db8::8000:0:0:0/65", "2001:db8::1", false),
        ])
    func contains(network: String, address: String, expected: Bool) throws {
        #expect(try #require(IPNetwork(network)).contains(try #require(IPAddress(address))) == expected)
    }
}
