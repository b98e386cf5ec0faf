import P2PMultiaddr
import P2PMultiformats
import Testing

@Suite("Hostile multiaddrs")
struct MultiaddrHostileTests {
    @Test(
        "Text that is no address is refused with its code, component and place",
        arguments: [
            ("", .empty, nil, nil), ("/", .empty, nil, nil), ("ip4/1.2.3.4", .malformed, nil, 0), ("//", .malformed, nil, 0),
            ("/ip4/1.2.3.4//", .malformed, nil, 1), ("/nope/1", .unknownProtocol, nil, 0), ("/ip4/1.2.3.4/\0", .unknownProtocol, nil, 1),
            ("/ip4", .missingValue, "ip4", 0), ("/ip4/", .missingValue, "ip4", 0), ("/sni//sni/0", .missingValue, "sni", 0),
            ("/ip4/1.2.3.4/tcp", .missingValue, "tcp", 1), ("/ip4/::1", .invalidValue, "ip4", 0),
            ("/ip4/1.2.3.04", .invalidValue, "ip4", 0), ("/ip4/1.2.3.256", .invalidValue, "ip4", 0),
            ("/ip4/1.2.3", .invalidValue, "ip4", 0),
            ("/ip6/1.2.3.4", .invalidValue, "ip6", 0), ("/ip6/:::1", .invalidValue, "ip6", 0),
            ("/ip6/fe80::1%eth0", .invalidValue, "ip6", 0),
            ("/ip6/1:2:3:4:5:6:7:8:9", .invalidValue, "ip6", 0), ("/ip6/1::2::3", .invalidValue, "ip6", 0),
            ("/ip6/12345::", .invalidValue, "ip6", 0),
            ("/ip4/1.2.3.4/tcp/65536", .invalidValue, "tcp", 1), ("/ip4/1.2.3.4/tcp/-1", .invalidValue, "tcp", 1),
            ("/ip4/1.2.3.4/tcp/+1", .invalidValue, "tcp", 1), ("/ip4/1.2.3.4/tcp/01", .invalidValue, "tcp", 1),
            ("/ip4/1.2.3.4/tcp/99999999999999999999", .invalidValue, "tcp", 1), ("/ip4/1.2.3.4/tcp/٣", .invalidValue, "tcp", 1),
            ("/ip4/1.2.3.4/ipcidr/256", .invalidValue, "ipcidr", 1), ("/quic-v1/65536", .unknownProtocol, nil, 1),
            ("/onion/9imaq4ygg2iegci7:80", .invalidValue, "onion", 0), ("/onion/aaimaq4ygg2iegci7:80", .invalidValue, "onion", 0),
            ("/onion/timaq4ygg2iegci7:0", .invalidValue, "onion", 0), ("/onion/timaq4ygg2iegci7", .invalidValue, "onion", 0),
            ("/onion/timaq4ygg2iegci7:", .invalidValue, "onion", 0), ("/onion/222222222222222=:1", .invalidValue, "onion", 0),
            ("/garlic64/abcd", .invalidValue, "garlic64", 0), ("/garlic64/ab+d", .invalidValue, "garlic64", 0),
            ("/garlic32/abcd", .invalidValue, "garlic32", 0), ("/p2p/Qm", .invalidValue, "p2p", 0), ("/p2p/hello", .invalidValue, "p2p", 0),
            ("/p2p/QmxoHT6iViN5xAjoz1VZ553cL31U9F94ht3QvWR1FrEbZY", .invalidValue, "p2p", 0),
            ("/certhash/b2uaraocy6yrdblb4sfptaddgimjmmp", .invalidValue, "certhash", 0), ("/certhash/hello", .invalidValue, "certhash", 0),
            ("/unix", .missingValue, "unix", 0), ("/unix/", .invalidValue, "unix", 0), ("/unix/a\0b", .invalidValue, "unix", 0),
            ("/dns/a\0b", .invalidValue, "dns", 0), ("/dns/a\nb", .invalidValue, "dns", 0),
            ("/dns/\(String(repeating: "a", count: 256))", .invalidValue, "dns", 0),
            ("/http-path/%", .invalidValue, "http-path", 0), ("/http-path/%4", .invalidValue, "http-path", 0),
            ("/http-path/%zz", .invalidValue, "http-path", 0), ("/memory/a\u{7f}", .invalidValue, "memory", 0),
        ] as [(String, MultiaddrError.Code, String?, Int?)])
    func badText(_ text: String, _ code: MultiaddrError.Code, _ component: String?, _ position: Int?) {
        let error = #expect(throws: MultiaddrError.self) { try Multiaddr(text) }
        #expect(error?.code == code)
        #expect(error?.component == component)
        #expect(error?.position == position)
    }

    @Test(
        "Bytes that are no address are refused with their code",
        arguments: [
            ([], .empty), ([0x04], .truncated), ([0x04, 1, 2, 3], .truncated), ([0x80], .truncated), ([0x84, 0x00], .invalidVarint),
            ([0x84, 0xe0, 0xff, 0x00], .invalidVarint), ([UInt8](repeating: 0xff, count: 20), .invalidVarint), ([0x05], .unknownProtocol),
            ([0x35, 0x00], .missingValue), ([0x35, 0x05, 0x61], .truncated),
            // A length of 2^63 - 1, and one that does not end.
            ([0x35, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x61], .truncated), ([0x35, 0x80], .truncated),
            // dns: a slash, a NUL, bytes that are not UTF-8, an overlong NUL.
            ([0x35, 0x03, 0x61, 0x2f, 0x62], .invalidValue), ([0x35, 0x03, 0x61, 0x00, 0x62], .invalidValue),
            ([0x35, 0x02, 0xff, 0xfe], .invalidValue), ([0x35, 0x02, 0xc0, 0x80], .invalidValue),
            // unix: relative, only a slash, a NUL, something after it.
            ([0x90, 0x03, 0x01, 0x61], .invalidValue), ([0x90, 0x03, 0x01, 0x2f], .invalidValue),
            ([0x90, 0x03, 0x03, 0x2f, 0x00, 0x61], .invalidValue), ([0x90, 0x03, 0x02, 0x2f, 0x61, 0x06, 0x00, 0x01], .afterPath),
            // p2p: none, an identity hash of 43 bytes, sha2-512, a digest that is short of its length.
            ([0xa5, 0x03, 0x00], .missingValue), ([0xa5, 0x03, 45, 0, 43] + [UInt8](repeating: 1, count: 43), .invalidValue),
            ([0xa5, 0x03, 0x22, 0x13, 0x20] + [UInt8](repeating: 1, count: 32), .invalidValue),
            ([0xa5, 0x03, 0x21, 0x12, 0x20] + [UInt8](repeating: 1, count: 31), .invalidValue),
            // certhash with a byte too many; onion3 with port 0.
            ([0xd2, 0x03, 0x04, 0x12, 0x01, 0x01, 0x01], .invalidValue),
            ([0xbd, 0x03] + [UInt8](repeating: 0x30, count: 35) + [0, 0], .invalidValue),
        ] as [([UInt8], MultiaddrError.Code)])
    func badBytes(_ bytes: [UInt8], _ code: MultiaddrError.Code) {
        #expect(throws: MultiaddrError(code, "")) { try Multiaddr(bytes: bytes) }
    }

    @Test("A MiB of anything is refused by its length alone")
    func mebibyte() {
        let mebibyte = 1 << 20
        for text in ["/ws", "/", "/dns/a", "/ip4/1.2.3.4", "/p2p/1", "x"] {
            let long = String(repeating: text, count: mebibyte / text.utf8.count)
            #expect(throws: MultiaddrError(.tooLong, "")) { try Multiaddr(long) }
        }
        #expect(throws: MultiaddrError(.tooLong, "")) { try Multiaddr("/unix/" + String(repeating: "a", count: mebibyte)) }
        for byte: UInt8 in [0x00, 0x04, 0x2f, 0x80, 0xff] {
            #expect(throws: MultiaddrError(.tooLong, "")) { try Multiaddr(bytes: [UInt8](repeating: byte, count: mebibyte)) }
        }
        #expect(throws: MultiaddrError(.tooLong, "")) {
            try MultiaddrComponent(.dns, text: String(repeating: "a", count: mebibyte))
        }
    }

    @Test("The limits are reached and no further")
    func limits() throws {
        let components = [MultiaddrComponent](repeating: .p2pCircuit, count: Multiaddr.maxComponents)
        let deepest = try Multiaddr(components)
        #expect(try Multiaddr(deepest.description) == deepest)
        #expect(try Multiaddr(bytes: deepest.bytes) == deepest)
        #expect(throws: MultiaddrError(.tooManyComponents, "")) { try Multiaddr(components + [.ws]) }
        #expect(throws: MultiaddrError(.tooManyComponents, "")) { try deepest.appending(.ws) }
        #expect(throws: MultiaddrError(.tooManyComponents, "")) { try Multiaddr(deepest.description + "/ws") }
        #expect(throws: MultiaddrError(.tooManyComponents, "")) { try Multiaddr(bytes: deepest.bytes + [0xdd, 0x03]) }

        // Two bytes of code and two of length before the value; every byte of the value takes three in text.
        let longest = try Multiaddr([MultiaddrComponent(.httpPath, value: [UInt8](repeating: 0xff, count: Multiaddr.maxLength - 4))])
        #expect(longest.bytes.count == Multiaddr.maxLength)
        #expect(try Multiaddr(longest.description) == longest)
        #expect(throws: MultiaddrError(.tooLong, "")) { try longest.appending(.ws) }
        #expect(throws: MultiaddrError(.tooLong, "")) { try Multiaddr(longest.description + "/ws") }
        #expect(throws: MultiaddrError(.tooLong, "")) { try Multiaddr(bytes: longest.bytes + [0xdd, 0x03]) }
        #expect(throws: MultiaddrError(.tooLong, "")) { try Multiaddr("/memory/" + String(repeating: "a", count: Multiaddr.maxTextLength)) }
    }

    @Test(
        "A very long base58 value is refused without quadratic work", arguments: ["p2p/1", "p2p/Qm", "p2p/z", "certhash/z", "certhash/k"])
    func longBase58(_ start: String) {
        let text = "/\(start)" + String(repeating: "2", count: 16_000)
        let error = #expect(throws: MultiaddrError.self) { try Multiaddr(text) }
        #expect(error?.code == .invalidValue)
        #expect(error?.description.contains("tooLong") == true)
    }

    @Test("A message quotes hostile text escaped and shortened")
    func quoting() {
        let error = #expect(throws: MultiaddrError.self) {
            try Multiaddr("/ip4/1.2.3.4/tcp/\u{1b}[31m'\n" + String(repeating: "9", count: 500))
        }
        #expect(error?.message == "'\\x1b[31m\\'\\x0a" + String(repeating: "9", count: 57) + "…' is not a port from 0 to 65535")
        #expect(error?.description.hasPrefix("invalidValue: /tcp (component 1) '") == true)
    }
}
