import P2PMultiaddr
import Testing

@Suite("IP address")
struct IPAddressTests {
    @Test(
        "IPv6 is written as RFC 5952 says",
        arguments: [
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:0DB8::0001", "2001:db8::1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("0:0:0:0:0:0:0:0", "::"), ("::1", "::1"), ("1::", "1::"), ("0:0:1:0:0:0:1:0", "0:0:1::1:0"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
            ("::ffff:c000:0201", "::ffff:192.0.2.1"), ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("::1.2.3.4", "::102:304"),
            ("64:ff9b::1.2.3.4", "64:ff9b::102:304"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("fe80::", "fe80::"),
        ])
    func canonical(_ text: String, _ expected: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == expected)
        #expect(address.isIPv6)
        #expect(IPAddress(expected) == address)
        #expect(IPAddress(bytes: address.bytes) == address)
    }

    @Test(
        "Text that is no address is refused",
        arguments: [
            "", ":", ":::", "1", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:", "1:2:3:4:5:6:7:8::", "1:2:3:4::5:6:7:8", "::1::", "g::",
            "12345::",
            "::1.2.3", "::1.2.3.4:5", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4", "::1 ", "::1%lo", "[::1]", "1.2.3.4.5", "1.2.3", "1..2.3",
            "256.1.1.1",
            "01.2.3.4", "1.2.3.4 ", "0x1.2.3.4", "+1.2.3.4", "1.2.3.4\0", "٣.1.1.1",
        ])
    func refused(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(
        "Each range answers for its own kind of reach",
        arguments: [
            ("127.0.0.1", "loopback"), ("::1", "loopback"), ("::ffff:127.0.0.1", "loopback"), ("0.0.0.0", "unspecified"),
            ("::", "unspecified"),
            ("169.254.1.1", "linkLocal"), ("fe80::1", "linkLocal"), ("febf::1", "linkLocal"), ("10.1.1.1", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"), ("192.168.0.1", "private"), ("100.64.0.1", "private"), ("100.127.255.255", "private"),
            ("fc00::1", "private"), ("fdff::1", "private"), ("224.0.0.251", "multicast"), ("ff02::fb", "multicast"), ("8.8.8.8", "public"),
            ("172.32.0.1", "public"), ("100.128.0.1", "public"), ("2001:4860:4860::8888", "public"), ("::ffff:8.8.8.8", "public"),
            ("192.0.2.1", ""), ("198.51.100.1", ""), ("203.0.113.1", ""), ("198.19.1.1", ""), ("240.0.0.1", ""), ("255.255.255.255", ""),
            ("2001:db8::1", ""), ("fec0::1", ""),
        ])
    func reach(_ text: String, _ kind: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.isLoopback == (kind == "loopback"))
        #expect(address.isUnspecified == (kind == "unspecified"))
        #expect(address.isLinkLocal == (kind == "linkLocal"))
        #expect(address.isPrivate == (kind == "private"))
        #expect(address.isMulticast == (kind == "multicast"))
        #expect(address.isPublic == (kind == "public"))
    }

    @Test("Only 4 or 16 bytes are an address")
    func byteCounts() {
        for count in 0...20 where count != 4 && count != 16 {
            #expect(IPAddress(bytes: [UInt8](repeating: 1, count: count)) == nil)
        }
        #expect(IPAddress(bytes: [127, 0, 0, 1]) == .loopbackV4)
    }
}
