import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PPolicy

/// A moment in 2026.
private let now: Int64 = 1_790_000_000

@Suite("A policy answers")
struct PolicyTests {
    static let alice = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
    static let bob = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"

    private func answer(_ rules: String, _ question: String, _ conditions: String = "", leadingTo address: String? = nil) throws
        -> PolicyAnswer
    {
        let question = try PolicyQuestion(question, conditions: conditions.split(separator: " ").map(String.init), time: now)
        return try Policy(rules).decide(question, leadingTo: address.map { try #require(IPAddress($0)) })
    }

    @Test(
        "what its rules say: a refusal counts, a grant is needed, and who asks matters",
        arguments: [
            // Rules, question, conditions, granted.
            ("", "tcp-connect:10.0.0.5:22", "", false),
            ("allow tcp-connect:*:*", "tcp-connect:10.0.0.5:22", "", true),
            ("allow tcp-connect:*:*", "udp-connect:10.0.0.5:22", "", false),
            ("allow tcp-connect:10.0.0.0/8:22,80-90", "tcp-connect:10.0.0.5:85", "", true),
            ("allow tcp-connect:10.0.0.0/8:22,80-90", "tcp-connect:10.0.0.5:91", "", false),
            ("allow tcp-connect:10.0.0.0/8:22", "tcp-connect:11.0.0.5:22", "", false),
            ("allow tcp-connect:*:*\ndeny tcp-connect:10.0.0.0/8:*", "tcp-connect:10.0.0.5:22", "", false),
            ("deny tcp-connect:10.0.0.0/8:*\nallow tcp-connect:10.0.0.5:22", "tcp-connect:10.0.0.5:22", "", false),
            ("allow tcp-connect:example.com:443", "tcp-connect:EXAMPLE.com.:443", "", true),
            ("allow tcp-connect:Example.COM.:443", "tcp-connect:example.com:443", "", true),
            ("allow tcp-connect:*.example.com:443", "tcp-connect:a.b.example.com:443", "", true),
            ("allow tcp-connect:*.example.com:443", "tcp-connect:example.com:443", "", false),
            ("allow tcp-connect:*.example.com:443", "tcp-connect:badexample.com:443", "", false),
            ("allow tcp-connect:xn--bcher-kva.example:1", "tcp-connect:xn--bcher-kva.example:1", "", true),
            // IPv6, and IPv4 inside it.
            ("allow tcp-connect:[2001:db8::/32]:80", "tcp-connect:[2001:db8::7]:80", "", true),
            ("allow tcp-connect:10.0.0.0/8:80", "tcp-connect:[::ffff:10.1.2.3]:80", "", true),
            ("allow tcp-connect:*:*\ndeny tcp-connect:10.0.0.0/8:*", "tcp-connect:[::ffff:10.1.2.3]:80", "", false),
            ("allow tcp-connect:*:*\ndeny tcp-connect:[::ffff:10.0.0.0/104]:*", "tcp-connect:10.1.2.3:80", "", false),
            // Kinds of addresses, and 0.0.0.0, which leads home.
            ("allow tcp-connect:loopback:*", "tcp-connect:127.9.9.9:80", "", true),
            ("allow tcp-connect:loopback:*", "tcp-connect:0.0.0.0:80", "", true),
            ("allow tcp-connect:loopback:*", "tcp-connect:[::]:80", "", true),
            ("allow tcp-connect:*:*\ndeny tcp-connect:loopback:*", "tcp-connect:0.0.0.0:80", "", false),
            ("allow tcp-connect:*:*\ndeny tcp-connect:127.0.0.0/8:*", "tcp-connect:0.0.0.0:80", "", false),
            ("allow tcp-connect:private:*", "tcp-connect:100.64.1.1:80", "", true),
            ("allow tcp-connect:private:*", "tcp-connect:[fd00::1]:80", "", true),
            ("allow tcp-connect:link-local:*", "tcp-connect:169.254.1.1:80", "", true),
            ("allow tcp-connect:public:*", "tcp-connect:8.8.8.8:80", "", true),
            ("allow tcp-connect:public:*", "tcp-connect:192.168.1.1:80", "", false),
            ("allow tcp-connect:public:*", "tcp-connect:[64:ff9b::a00:1]:80", "", false),
            ("allow tcp-connect:public:*", "tcp-connect:224.0.0.1:80", "", false),
            // Listening.
            ("allow tcp-listen:3030", "tcp-listen:3030", "", true),
            ("allow tcp-listen:3030", "tcp-listen:127.0.0.1:3030", "", true),
            ("allow tcp-listen:3030", "tcp-listen:0", "", false),
            ("allow tcp-listen:*", "tcp-listen:0", "", true),
            ("allow tcp-listen:loopback:*", "tcp-listen:127.0.0.1:0", "", true),
            ("allow tcp-listen:loopback:*", "tcp-listen:0.0.0.0:80", "", false),
            ("allow udp-listen:5353", "udp-listen:[::]:5353", "", true),
            // Tunnels: every host is not this machine.
            ("allow tunnel-connect:tcp/*:*", "tunnel-connect:tcp/10.0.0.1:22", "", true),
            ("allow tunnel-connect:tcp/*:*", "tunnel-connect:udp/10.0.0.1:22", "", false),
            ("allow tunnel-connect:tcp/*:*", "tunnel-connect:tcp/127.0.0.1:22", "", false),
            ("allow tunnel-connect:tcp/*:*", "tunnel-connect:tcp/0.0.0.0:22", "", false),
            ("allow tunnel-connect:tcp/*:*", "tunnel-connect:tcp/[fe80::1]:22", "", false),
            ("allow tunnel-connect:tcp/*:*", "tunnel-connect:tcp/[::ffff:127.0.0.1]:22", "", false),
            ("allow tunnel-connect:tcp/loopback:22", "tunnel-connect:tcp/127.0.0.1:22", "", true),
            // Who asks.
            ("allow tunnel-connect:tcp/10.0.0.0/8:22 peer=\(alice)", "tunnel-connect:tcp/10.0.0.1:22", "peer=\(alice)", true),
            ("allow tunnel-connect:tcp/10.0.0.0/8:22 peer=\(alice)", "tunnel-connect:tcp/10.0.0.1:22", "peer=\(bob)", false),
            ("allow tunnel-connect:tcp/10.0.0.0/8:22 peer=\(alice)", "tunnel-connect:tcp/10.0.0.1:22", "", false),
            ("allow tcp-connect:*:* app=companion", "tcp-connect:127.0.0.1:8080", "app=companion", true),
            ("allow tcp-connect:*:* app=companion", "tcp-connect:127.0.0.1:8080", "app=other", false),
            ("allow service:/x/ssh from=10.0.0.0/8", "service:/x/ssh", "from=10.1.1.1", true),
            ("allow service:/x/ssh from=[2001:db8::/32]", "service:/x/ssh", "from=10.1.1.1", false),
            ("allow control:tunnel.* until=2027-01-01T00:00:00Z", "control:tunnel.open", "", true),
            ("allow control:tunnel.* until=2026-01-01T00:00:00Z", "control:tunnel.open", "", false),
            ("allow control:tunnel.*", "control:tunnels", "", false),
            // What is open until somebody grants something of it.
            ("", "peer-dial:\(alice)", "", true),
            ("deny peer-dial:\(alice)", "peer-dial:\(alice)", "", false),
            ("deny peer-dial:\(alice)", "peer-dial:\(bob)", "", true),
            ("allow peer-dial:\(alice)", "peer-dial:\(bob)", "", false),
            ("allow peer-dial:\(alice) until=2000-01-01T00:00:00Z", "peer-dial:\(bob)", "", false),
            ("", "service:/chat/1.0.0", "", true),
            ("", "service:/x/ssh", "", false),
            ("allow service:/x/ssh", "service:/chat/1.0.0", "", false),
            ("allow service:/x/*", "service:/x/ssh", "", true),
            ("deny peer-accept:*@[2001:db8::/32]:*", "peer-accept:\(alice)@[2001:db8::1]:4001", "", false),
            ("deny peer-accept:*@[2001:db8::/32]:*", "peer-accept:\(alice)@10.0.0.1:4001", "", true),
            ("allow peer-accept:\(alice)@10.0.0.0/8:*", "peer-accept:\(alice)@11.0.0.1:1", "", false),
            ("allow peer-accept:\(alice)", "peer-accept:*@11.0.0.1:1", "", false),
            // What is to be asked about is not granted yet, and closes what was open.
            ("ask peer-accept:\(alice)", "peer-accept:\(alice)", "", false),
            ("ask peer-accept:\(alice)", "peer-accept:\(bob)", "", false),
            ("ask peer-accept:*\nallow peer-accept:\(alice)", "peer-accept:\(alice)", "", true),
        ] as [(String, String, String, Bool)])
    func table(rules: String, question: String, conditions: String, isGranted: Bool) throws {
        let answer = try self.answer(rules, question, conditions)
        #expect(answer.isGranted == isGranted, "\(answer)")
    }

    @Test(
        "for a name also by each address to which it leads",
        arguments: [
            ("allow tcp-connect:a.example:80", "93.184.216.34", true),
            ("allow tcp-connect:a.example:80", "127.0.0.1", false),
            ("allow tcp-connect:a.example:80", "10.0.0.1", false),
            ("allow tcp-connect:a.example:80", "169.254.169.254", false),
            ("allow tcp-connect:a.example:80", "0.0.0.0", false),
            ("allow tcp-connect:a.example:80", "::ffff:127.0.0.1", false),
            ("allow tcp-connect:a.example:80\nallow tcp-connect:10.0.0.0/8:80", "10.0.0.1", true),
            ("allow tcp-connect:a.example:80\nallow tcp-connect:10.0.0.0/8:81", "10.0.0.1", false),
            ("allow tcp-connect:a.example:80\nallow tcp-connect:loopback:*", "0.0.0.0", true),
            ("allow tcp-connect:a.example:80\ndeny tcp-connect:93.184.0.0/16:*", "93.184.216.34", false),
            ("allow tcp-connect:10.0.0.0/8:80", "10.0.0.1", false),
            ("ask tcp-connect:a.example:80", "93.184.216.34", false),
            ("allow tcp-connect:a.example:80\nask tcp-connect:10.0.0.0/8:80", "10.0.0.1", false),
        ])
    func names(rules: String, address: String, isGranted: Bool) throws {
        let answer = try self.answer(rules, "tcp-connect:a.example:80", leadingTo: address)
        #expect(answer.isGranted == isGranted, "\(answer)")
    }

    @Test("in words that say what decided")
    func words() throws {
        let ten = "allow tcp-connect:*:*\n\n  deny  tcp-connect:10.0.0.0/8:*   # ours"
        let cases: [(PolicyAnswer, String)] = [
            (try self.answer("", "tcp-connect:10.0.0.5:22"), "permission denied: tcp-connect:10.0.0.5:22 is not granted"),
            (
                try self.answer(ten, "tcp-connect:10.0.0.5:22"),
                "permission denied: tcp-connect:10.0.0.5:22 is denied by \"deny tcp-connect:10.0.0.0/8:*\" (policy line 3)"
            ),
            (
                try self.answer("allow tcp-connect:evil.example:80", "tcp-connect:evil.example:80", leadingTo: "127.0.0.1"),
                "permission denied: tcp-connect:evil.example:80 leads to 127.0.0.1, which is not granted"
            ),
            (
                try self.answer("", "service:/x/ssh", "peer=\(Self.alice)"),
                "permission denied: service:/x/ssh is not granted to \(Self.alice)"
            ),
            (
                try self.answer("", "control:tunnel.open", "app=companion"),
                "permission denied: control:tunnel.open is not granted to app companion"
            ),
            (
                try self.answer("allow tcp-connect:[::1]:22", "tcp-connect:[::1]:22"),
                "granted: tcp-connect:[::1]:22 is allowed by \"allow tcp-connect:[::1]:22\" (policy line 1)"
            ),
        ]
        for (answer, words) in cases { #expect(answer.description == words) }
    }

    @Test("that somebody is to be asked, where no rule grants or refuses")
    func asking() throws {
        let rules = "ask peer-dial:*@a.example:80\nask peer-dial:*@10.0.0.0/8:*\nallow peer-dial:\(Self.bob)\ndeny peer-dial:*@10.0.0.9:*"
        let cases: [(String, String?, Int?, Bool)] = [
            // Question, where it leads, the line that decides, whether somebody is asked.
            ("peer-dial:\(Self.alice)@a.example:80", nil, 1, true),
            ("peer-dial:\(Self.alice)@a.example:80", "8.8.8.8", 1, true),
            ("peer-dial:\(Self.alice)@a.example:80", "10.0.0.1", 2, true),
            ("peer-dial:\(Self.alice)@a.example:80", "10.0.0.9", 4, false),
            ("peer-dial:\(Self.alice)@a.example:80", "127.0.0.1", nil, false),
            ("peer-dial:\(Self.bob)@a.example:80", "8.8.8.8", 3, false),
            ("peer-dial:\(Self.alice)@b.example:80", nil, nil, false),
        ]
        for (question, address, line, isAsked) in cases {
            let answer = try self.answer(rules, question, leadingTo: address)
            #expect(answer.rule?.line == line, "\(answer)")
            if case .ask = answer.reason { #expect(isAsked, "\(answer)") } else { #expect(!isAsked, "\(answer)") }
        }
        #expect(
            try self.answer(rules, "peer-dial:\(Self.alice)@a.example:80").description
                == "undecided: whether peer-dial:\(Self.alice)@a.example:80 is granted is asked, by \"ask peer-dial:*@a.example:80\" (policy line 1)"
        )
    }

    @Test("with no more at a time than a rule grants, unless another rule does")
    func maximum() throws {
        let policy = try Policy("allow service:/x/ssh max=2\nallow service:/x/ssh peer=\(Self.alice)")
        var question = try PolicyQuestion("service:/x/ssh", time: now)
        #expect(policy.decide(question) { _ in 1 }.isGranted)
        let full = policy.decide(question) { _ in 2 }
        #expect(!full.isGranted && full.rule?.line == 1)
        question.asker.peer = try PeerID(string: Self.alice)
        #expect(policy.decide(question) { _ in 2 }.rule?.line == 2)
    }

    @Test("whether somebody might come from there, before it is known who")
    func before() throws {
        let asker = PolicyAsker(time: now)
        let inside = try #require(PolicyTarget("10.0.0.1"))
        let outside = try #require(PolicyTarget("11.0.0.1"))
        let cases: [(String, Bool, Bool)] = [
            ("", true, true),
            ("deny peer-accept:*@10.0.0.0/8:*", false, true),
            ("deny peer-accept:\(Self.alice)", true, true),
            ("allow peer-accept:\(Self.alice)@10.0.0.0/8:*", true, false),
            ("allow peer-accept:*@10.0.0.0/8:* peer=\(Self.alice)", true, false),
            ("allow peer-accept:* until=2000-01-01T00:00:00Z", false, false),
            ("ask peer-accept:*@10.0.0.0/8:*", true, false),
        ]
        for (rules, near, far) in cases {
            let policy = try Policy(rules)
            for (target, isGranted) in [(inside, near), (outside, far)] {
                let answer = policy.decideBeforehand(PolicyQuestion(.peerAccept, .peerAt(nil, target, 9), asker: asker))
                #expect(answer.isGranted == isGranted, "\(rules): \(answer)")
            }
        }
    }

    @Test("so that one more refusal never grants more, and one more grant of a kind that is closed never less")
    func monotonous() throws {
        let hosts = ["*", "10.0.0.0/8", "10.0.0.5", "loopback", "a.example", "*.example", "public", "[::1]"]
        let ports = ["*", "22", "20-30,80"]
        var generator = SystemRandomNumberGenerator()
        func rule(_ effect: String) -> String {
            "\(effect) tcp-connect:\(hosts.randomElement(using: &generator) ?? "*"):\(ports.randomElement(using: &generator) ?? "*")"
        }
        let questions = try ["10.0.0.5:22", "a.example:80", "b.a.example:22", "[::1]:25", "0.0.0.0:22", "8.8.8.8:81"]
            .map { try PolicyQuestion("tcp-connect:\($0)", time: now) }
        for _ in 0..<300 {
            let rules = (0..<Int.random(in: 0...4)).map { _ in rule(["allow", "deny", "ask"].randomElement(using: &generator) ?? "ask") }
            let (plain, stricter, looser) = (
                try Policy(rules.joined(separator: "\n")), try Policy((rules + [rule("deny")]).shuffled().joined(separator: "\n")),
                try Policy((rules + [rule("allow")]).shuffled().joined(separator: "\n"))
            )
            for question in questions {
                for address in [nil, IPAddress("127.0.0.1"), IPAddress("8.8.8.8")] {
                    let before = plain.decide(question, leadingTo: address).isGranted
                    #expect(before || !stricter.decide(question, leadingTo: address).isGranted, "\(rules) \(question)")
                    #expect(!before || looser.decide(question, leadingTo: address).isGranted, "\(rules) \(question)")
                }
            }
        }
    }
}
