import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PPolicy

@Suite("A policy is read")
struct PolicyReadingTests {
    @Test("line by line, without comments")
    func lines() throws {
        let policy = try Policy("# first\r\n\r\nallow tcp-connect:*:*\t # all\r\n   deny\tudp-listen:53   from=10.0.0.0/8,[fd00::/8]\r\n")
        #expect(policy.rules.map(\.line) == [3, 4])
        #expect(policy.rules.map(\.text) == ["allow tcp-connect:*:*", "deny udp-listen:53 from=10.0.0.0/8,[fd00::/8]"])
        #expect(policy.rules[1].conditions.networks.map(\.description) == ["10.0.0.0/8", "fd00::/8"])
    }

    @Test(
        "and where it is wrong is said",
        arguments: [
            ("allow tcp-connect:a.example:70000", 29, "port 70000 is above 65535"),
            ("permit tcp-connect:*:*", 1, "a rule begins with allow, ask or deny, not with \"permit\""),
            ("allow", 6, "nothing follows"),
            ("allow tcp-conect:*:*", 7, "\"tcp-conect\" is not a kind of rule"),
            ("allow tcp-connect:", 19, "tcp-connect needs to say of what"),
            ("allow tcp-connect:a.example", 19, "the ports are missing"),
            ("allow tcp-connect::80", 19, "the host is missing"),
            ("allow tcp-connect:[::1]", 19, "the ports are missing"),
            ("allow tcp-connect:::1:80", 19, "an IPv6 address stands in brackets"),
            ("allow tcp-connect:[10.0.0.1]:80", 19, "\"[10.0.0.1]\" is not an IPv6 address or range"),
            ("allow tcp-connect:10.0.0.0/33:80", 19, "\"10.0.0.0/33\" is not a range"),
            ("allow tcp-connect:2130706433:80", 19, "\"2130706433\" is not a host"),
            ("allow tcp-connect:0177.0.0.1:80", 19, "\"0177.0.0.1\" is not a host"),
            ("allow tcp-connect:0x7f.1:80", 19, "\"0x7f.1\" is not a host"),
            ("allow tcp-connect:127.1:80", 19, "\"127.1\" is not a host"),
            ("allow tcp-connect:a..b:80", 19, "\"a..b\" is not a host"),
            ("allow tcp-connect:*.*.b:80", 21, "\"*.b\" is not a host"),
            ("allow tcp-connect:bücher.example:80", 19, "\"bücher.example\" is not a host"),
            ("allow tcp-connect:a:80,0", 24, "port 0 is whatever the system chooses"),
            ("allow tcp-connect:a:80-70", 21, "the ports 80-70 are in the wrong order"),
            ("allow tcp-connect:a:080", 21, "\"080\" is not a port"),
            ("allow tcp-connect:a:80,", 24, "\"\" is not a port"),
            ("allow tunnel-connect:10.0.0.1:22", 22, "a tunnel's target begins with tcp/ or udp/"),
            ("allow service:/x/*/y", 18, "* may only stand at the end"),
            ("allow peer-dial:nobody", 17, "\"nobody\" is not a peer id"),
            ("allow tcp-connect:*:* peer", 23, "\"peer\" is not a condition"),
            ("allow tcp-connect:*:* peer=", 28, "nothing follows peer="),
            ("allow tcp-connect:*:* peer=*", 28, "peer=* asks nothing"),
            ("allow tcp-connect:*:* who=me", 23, "\"who\" is not a condition"),
            ("allow tcp-connect:*:* app=a app=b", 29, "app= stands here twice"),
            ("allow tcp-connect:*:* from=10.0.0.x", 28, "\"10.0.0.x\" is not an address"),
            ("allow tcp-connect:*:* until=tomorrow", 29, "\"tomorrow\" is not a time"),
            ("allow tcp-connect:*:* max=0", 27, "\"0\" is not a number from 1 on"),
            ("deny tcp-connect:*:* max=3", 22, "max= does not go with deny"),
        ])
    func mistakes(line: String, column: Int, message: String) {
        let error = #expect(throws: PolicyError.self) { try Policy("\n\n\n" + line) }
        #expect(error?.code == .notARule)
        let place = "policy line 4, column \(column): "
        #expect(error?.message.hasPrefix(place + message) == true, "\(error?.message ?? "")")
    }

    @Test("up to a size")
    func sizes() throws {
        let rule = "deny tcp-listen:1\n"
        #expect(try Policy(String(repeating: rule, count: Policy.maximumRules)).rules.count == Policy.maximumRules)
        #expect(throws: PolicyError(.tooLarge, "")) { try Policy(String(repeating: rule, count: Policy.maximumRules + 1)) }
        #expect(throws: PolicyError(.tooLarge, "")) { try Policy(String(repeating: "#", count: Policy.maximumTextBytes + 1)) }
    }

    @Test(
        "and so is a question, of one thing",
        arguments: [
            "tcp-connect:*:80", "tcp-connect:a.example:0", "tcp-connect:2130706433:80", "tcp-connect:a.example:1-2", "service:/x/*",
            "fly:away",
            "tcp-connect:[::1:80", "peer-dial:nobody",
        ])
    func questions(text: String) {
        #expect(throws: PolicyError(.notAQuestion, "")) { try PolicyQuestion(text, time: 0) }
    }

    @Test(
        "Times are RFC 3339's",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2027-01-01T00:00:00Z", 1_798_761_600), ("2000-02-29t12:30:15.25+01:30", 951_822_015),
            ("2024-12-31T23:59:60Z", 1_735_689_600), ("1969-12-31T23:59:59-00:00", -1), ("2026-02-29T00:00:00Z", nil),
            ("2026-13-01T00:00:00Z", nil), ("2026-01-01 00:00:00Z", nil), ("2026-01-01T24:00:00Z", nil), ("2026-01-01T00:00:00", nil),
            ("2026-01-01T00:00:00.Z", nil), ("2026-01-01T00:00:00+1:00", nil), ("", nil),
        ] as [(String, Int64?)])
    func times(text: String, seconds: Int64?) {
        #expect(WallTime(internetTime: text)?.secondsSince1970 == seconds)
    }
}
