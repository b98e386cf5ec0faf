import P2PMultiaddr
import SwiftASN1
import Testing
import X509

@testable import P2PWebTLS

@Suite("Whom a certificate is for")
struct ServerIdentityTests {
    @Test(
        "A name is one of the certificate's names, whatever their case, a star being one whole label",
        arguments: [
            ("example.org", "example.org", true), ("EXAMPLE.org", "example.ORG", true), ("example.org.", "example.org", true),
            ("example.org", "example.org.", true), ("a.example.org", "*.example.org", true), ("A.example.org", "*.EXAMPLE.org", true),
            ("localhost", "localhost", true), ("xn--bcher-kva.example", "*.example", true),
            ("example.com", "example.org", false), ("example.org", "*.example.org", false), ("a.b.example.org", "*.example.org", false),
            ("a.example.org", "a*.example.org", false), ("a.example.org", "*a.example.org", false), ("a.b.org", "a.*.org", false),
            ("localhost", "*", false), ("example.org", "*", false), ("example.org", "", false), ("example.org", "*.", false),
            (".example.org", "*.example.org", false), ("example.org", "example.org.evil", false), ("example.org", ".org", false),
            ("127.0.0.1", "127.0.0.1", true),
            // A Kelvin sign is no k.
            ("example.or\u{212A}", "example.ork", false),
        ])
    func names(wanted: String, shown: String, isMatch: Bool) {
        #expect(ServerIdentity.name(wanted).matches(.dnsName(shown)) == isMatch)
    }

    @Test("An IP address in the certificate is no name, and a name no address")
    func addresses() throws {
        let (four, six) = (try #require(IPAddress("127.0.0.1")), try #require(IPAddress("2001:db8::1")))
        func shown(_ ip: IPAddress) -> GeneralName { .ipAddress(ASN1OctetString(contentBytes: ip.bytes[...])) }
        #expect(ServerIdentity.address(four).matches(shown(four)))
        #expect(ServerIdentity.address(six).matches(shown(six)))
        #expect(!ServerIdentity.address(four).matches(shown(six)))
        #expect(!ServerIdentity.address(four).matches(.dnsName("127.0.0.1")))
        #expect(!ServerIdentity.name("127.0.0.1").matches(shown(four)))
        #expect(!ServerIdentity.name("example.org").matches(.uniformResourceIdentifier("https://example.org")))
    }
}
