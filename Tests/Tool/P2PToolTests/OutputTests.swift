import NIOCore
import P2PCore
import P2PMultiaddr
import Testing

@testable import P2PTool

@Suite("What is printed and logged")
struct OutputTests {
    @Test("A peer's text neither controls a terminal nor goes on for ever")
    func peerText() {
        #expect(PeerText("go-libp2p/0.32").description == "go-libp2p/0.32")
        #expect(PeerText("\u{1b}]0;owned\u{7}\n").description == #"\u{1b}]0;owned\u{7}\u{a}"#)
        #expect(PeerText("abcdef", limit: 3).description == "abc…")
        #expect(PeerText("abc", limit: 3).description == "abc")
    }

    @Test("An error has a code, a message, and its cause once")
    func errors() {
        #expect(ToolError(StreamError(.reset, "gone")) == ToolError("reset", "gone"))
        let cause = ConnectionError(.lost, "the cable is out")
        #expect(ToolError(StreamError(.connectionLost, "no stream", cause: cause)).message == "no stream: lost: the cable is out")
        #expect(ToolError(StreamError(.connectionLost, "the cable is out", cause: cause)).message == "the cable is out")
        #expect(JSONObject.error(ToolError("x", "y")).description == #"{"event":"error","code":"x","message":"y"}"#)
    }

    @Test("An event without a form of its own is printed by its name and what it carries")
    func unknownEvents() throws {
        let lost = EventText(HostEvent.lost(count: 3))
        #expect(lost.object.description == #"{"event":"lost","count":3}"#)
        #expect(lost.text == "lost count=3")
        let address = try Multiaddr("/ip4/127.0.0.1/tcp/1")
        #expect(
            EventText(HostEvent.stoppedListening(address)).object.description
                == #"{"event":"stopped_listening","value":"/ip4/127.0.0.1/tcp/1"}"#)
        let failed = EventText(HostEvent.arrivalFailed(address: address, error: TransportError(.gated, "no\u{1b}[1m")))
        #expect(failed.object.description.hasPrefix(#"{"event":"arrival_failed","address":"/ip4/127.0.0.1/tcp/1","error":"gated: no"#))
        #expect(!failed.text.contains("\u{1b}"))
        enum Bare { case somethingHappened }
        #expect(EventText(Bare.somethingHappened).text == "something_happened")
    }

    @Test("A flood of one kind is one line a second, and another kind is not held back by it")
    func throttle() {
        var throttle = LogThrottle()
        let start = NIODeadline.uptimeNanoseconds(0)
        let admitted = [0, 1, 999, 1_000, 1_001, 5_000].map { throttle.admit("a", at: start + .milliseconds($0)) }
        #expect(admitted == [0, nil, nil, 2, nil, 1])
        let other = throttle.admit("b", at: start + .milliseconds(5_000))
        #expect(other == 0)
    }

    @Test("Kinds beyond the limit share one line")
    func throttleIsBounded() {
        var throttle = LogThrottle(limit: 2)
        let admitted = (0..<5).map { throttle.admit("kind \($0)", at: .uptimeNanoseconds(0)) }
        #expect(admitted == [0, 0, 0, nil, nil])
    }

    @Test("Base64 as RFC 4648 has it")
    func base64() {
        let encoded = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map { Base64.encode(Array($0.utf8)) }
        #expect(encoded == ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"])
    }

    @Test("The median of pings, with losses")
    func pingStatistics() {
        var statistics = PingStatistics()
        #expect(statistics.times == nil)
        for time in [4, 1, 3] { statistics.note(.milliseconds(time)) }
        statistics.note(nil)
        #expect(statistics.times == .init(minimum: .milliseconds(1), median: .milliseconds(3), maximum: .milliseconds(4)))
        statistics.note(.milliseconds(8))
        #expect(statistics.times == .init(minimum: .milliseconds(1), median: .microseconds(3_500), maximum: .milliseconds(8)))
        #expect((statistics.sent, statistics.received) == (5, 4))
    }
}
