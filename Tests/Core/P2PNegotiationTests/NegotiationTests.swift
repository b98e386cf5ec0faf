import NIOCore
import P2PCore
import P2PMultiformats
import Testing

@testable import P2PNegotiation

/// One message in its frame.
func frame(_ text: String) -> [UInt8] { UnsignedVarint.encode(UInt64(text.utf8.count + 1)) + Array(text.utf8) + [0x0a] }

let header = frame("/multistream/1.0.0")

/// What a machine said, copyable for comparisons.
enum Verdict: Equatable {
    case more
    case agreed(ProtocolID)
    case failed(NegotiationError.Code)

    init(_ progress: consuming Negotiation.Progress) {
        switch progress {
        case .more: self = .more
        case .agreed(let protocolID): self = .agreed(protocolID)
        case .failed(let error): self = .failed(error.code)
        }
    }
}

@Suite("Negotiation, the machine")
struct NegotiationTests {
    struct Outcome: Equatable {
        var verdict: Verdict
        var reply: [UInt8] = []
        var rest: [UInt8] = []
    }

    /// Feeds bytes in pieces until there is a verdict.
    static func run(_ negotiation: consuming Negotiation, _ bytes: [UInt8], pieceSize: Int = .max) -> Outcome {
        var input = ByteBuffer()
        var reply = ByteBuffer()
        var remaining = bytes[...]
        while !remaining.isEmpty {
            input.writeBytes(remaining.prefix(pieceSize))
            remaining = remaining.dropFirst(pieceSize)
            let verdict = Verdict(negotiation.received(&input, reply: &reply))
            if verdict != .more {
                return Outcome(verdict: verdict, reply: Array(reply.readableBytesView), rest: Array(input.readableBytesView) + remaining)
            }
        }
        return Outcome(verdict: .more, reply: Array(reply.readableBytesView), rest: Array(input.readableBytesView))
    }

    private func listener(_ protocols: ProtocolID...) -> Negotiation { Negotiation(accepting: NegotiationTable(protocols)) }

    private func dialer(_ protocols: ProtocolID..., opening: inout ByteBuffer) -> Negotiation {
        Negotiation(proposing: NegotiationTable(protocols), opening: &opening)
    }

    // MARK: Agreement

    @Test("A dialer sends the header and its preferred protocol in one flight")
    func opening() {
        var opening = ByteBuffer()
        _ = self.dialer("/noise", "/tls/1.0.0", opening: &opening)
        #expect(Array(opening.readableBytesView) == header + frame("/noise"))
    }

    @Test("A listener agrees in one flight, and leaves what is behind", arguments: [1, 2, 7, .max])
    func listenerAgrees(pieceSize: Int) {
        let outcome = Self.run(self.listener("/a", "/b"), header + frame("/b") + Array("payload".utf8), pieceSize: pieceSize)
        #expect(outcome == Outcome(verdict: .agreed("/b"), reply: header + frame("/b"), rest: Array("payload".utf8)))
    }

    @Test("A dialer agrees, and leaves what is behind", arguments: [1, 2, 7, .max])
    func dialerAgrees(pieceSize: Int) {
        var opening = ByteBuffer()
        let outcome = Self.run(self.dialer("/a", opening: &opening), header + frame("/a") + [1, 2, 3], pieceSize: pieceSize)
        #expect(outcome == Outcome(verdict: .agreed("/a"), rest: [1, 2, 3]))
    }

    @Test("A dialer goes through its proposals in order", arguments: [1, .max])
    func dialerFallsBack(pieceSize: Int) {
        var opening = ByteBuffer()
        let answers = header + frame("na") + frame("na") + frame("/c")
        let outcome = Self.run(self.dialer("/a", "/b", "/c", opening: &opening), answers, pieceSize: pieceSize)
        #expect(outcome == Outcome(verdict: .agreed("/c"), reply: frame("/b") + frame("/c")))
    }

    @Test("A dialer whose every proposal is refused says so")
    func dialerRefused() {
        var opening = ByteBuffer()
        let outcome = Self.run(self.dialer("/a", "/b", opening: &opening), header + frame("na") + frame("na"))
        #expect(outcome == Outcome(verdict: .failed(.noCommonProtocol), reply: frame("/b")))
    }

    @Test("A listener answers na to what it does not speak, and goes on")
    func listenerRefuses() {
        let outcome = Self.run(self.listener("/b"), header + frame("/a") + frame("/b"))
        #expect(outcome == Outcome(verdict: .agreed("/b"), reply: header + frame("na") + frame("/b")))
    }

    @Test("A listener answers ls with every name, each in a frame of its own")
    func list() {
        let outcome = Self.run(self.listener("/a", "/bb"), header + frame("ls"))
        let body = frame("/a") + frame("/bb") + [0x0a]
        #expect(outcome == Outcome(verdict: .more, reply: header + UnsignedVarint.encode(UInt64(body.count)) + body))
    }

    @Test("Names differ by their every byte", arguments: ["/a/1.0.0", "/a", "/a/1.0.0/", "/A/1.0"])
    func exactNames(name: String) {
        #expect(Self.run(self.listener("/a/1.0"), header + frame(name)).reply == header + frame("na"))
    }

    @Test("Every split of a whole conversation ends in the same agreement")
    func everySplit() {
        let bytes = header + frame("/x") + frame("ls") + frame("/b") + [9]
        let whole = Self.run(self.listener("/b"), bytes)
        for split in 1..<bytes.count {
            var negotiation = self.listener("/b")
            var input = ByteBuffer(bytes: bytes[..<split])
            var reply = ByteBuffer()
            var verdict = Verdict(negotiation.received(&input, reply: &reply))
            if verdict == .more {
                input.writeBytes(bytes[split...])
                verdict = Verdict(negotiation.received(&input, reply: &reply))
            } else {
                input.writeBytes(bytes[split...])
            }
            #expect(Outcome(verdict: verdict, reply: Array(reply.readableBytesView), rest: Array(input.readableBytesView)) == whole)
        }
    }

    // MARK: Hostile peers

    static let brokenMessages: [([UInt8], NegotiationError.Code)] = [
        ([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], .malformed),
        ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], .malformed),
        ([0x93, 0x00], .malformed),
        ([0x80, 0x00], .malformed),
        ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], .messageTooLong),
        (UnsignedVarint.encode(1_025), .messageTooLong),
        (UnsignedVarint.encode(1 << 31), .messageTooLong),
        ([0x00], .malformed),
        ([0x04] + Array("/abc".utf8), .malformed),
        ([0x05] + Array("/a".utf8) + [0x00, 0x62, 0x0a], .malformed),
        ([0x04, 0x2f, 0x61, 0x0a, 0x0a], .malformed),
        ([0x05, 0x2f, 0xc3, 0x28, 0x61, 0x0a], .malformed),
        ([0x04, 0x2f, 0xed, 0xa0, 0x0a], .malformed),
        ([0x04, 0x2f, 0x7f, 0x61, 0x0a], .malformed),
    ]

    @Test("A broken message fails the listener, first or later, at once or byte by byte", arguments: brokenMessages)
    func hostileDialer(bytes: [UInt8], code: NegotiationError.Code) {
        for pieceSize in [1, .max] {
            #expect(Self.run(self.listener("/a"), bytes, pieceSize: pieceSize).verdict == .failed(code))
            #expect(Self.run(self.listener("/a"), header + bytes, pieceSize: pieceSize).verdict == .failed(code))
            #expect(Self.run(self.listener("/a"), header + frame("/z") + bytes, pieceSize: pieceSize).verdict == .failed(code))
        }
    }

    @Test("A broken message fails the dialer, first or later, at once or byte by byte", arguments: brokenMessages)
    func hostileListener(bytes: [UInt8], code: NegotiationError.Code) {
        for pieceSize in [1, .max] {
            for before in [[], header, header + frame("na")] {
                var opening = ByteBuffer()
                #expect(Self.run(self.dialer("/a", "/b", opening: &opening), before + bytes, pieceSize: pieceSize).verdict == .failed(code))
            }
        }
    }

    @Test("The longest message is read, and answered with na")
    func longestMessage() {
        let name = "/" + String(repeating: "x", count: 1_022)
        #expect(frame(name).count == 2 + 1_024)
        #expect(Self.run(self.listener("/a"), header + frame(name)).reply == header + frame("na"))
    }

    @Test("A peer that does not begin with the header is refused", arguments: ["/multistream/0.9.0", "/a", "na", "ls"])
    func noHeader(text: String) {
        #expect(Self.run(self.listener("/a"), frame(text)).verdict == .failed(.malformed))
        var opening = ByteBuffer()
        #expect(Self.run(self.dialer("/a", opening: &opening), frame(text)).verdict == .failed(.malformed))
    }

    @Test("A plain HTTP request is refused without waiting for more")
    func notMultistream() {
        #expect(Self.run(self.listener("/a"), Array("GET / HTTP/1.1\r\n".utf8), pieceSize: 72).verdict != .agreed("/a"))
        #expect(
            Self.run(self.listener("/a"), Array(("GET / HTTP/1.1\r\n" + String(repeating: "x", count: 80)).utf8)).verdict
                == .failed(.malformed))
    }

    @Test(
        "Bytes that can't become the header are refused without waiting for the length that they seem to name",
        arguments: [[0x64, 0x2f], [0x13, 0x2f, 0x6e], [0x81, 0x02, 0x2f], [0x7f], [0x13, 0x00]] as [[UInt8]])
    func noise(bytes: [UInt8]) {
        #expect(Self.run(self.listener("/a"), bytes).verdict == .failed(.malformed))
        var opening = ByteBuffer()
        #expect(Self.run(self.dialer("/a", opening: &opening), bytes).verdict == .failed(.malformed))
        // Later messages may have any length.
        #expect(Self.run(self.listener("/a"), header + [0x64, 0x2f]).verdict == .more)
    }

    @Test("What a private network begins with is refused at once, whatever its first byte, by whoever dials it without the key")
    func privateNetwork() {
        var generator = SystemRandomNumberGenerator()
        for first in UInt8.min ... .max {
            // It would have to be the header by chance to be waited for.
            let nonce = [first] + (0..<23).map { _ in UInt8.random(in: 0...0x7f, using: &generator) }
            var opening = ByteBuffer()
            #expect(Self.run(self.dialer("/a", opening: &opening), nonce).verdict != .more, "\(nonce)")
            #expect(Self.run(self.listener("/a"), nonce).verdict != .more, "\(nonce)")
        }
    }

    @Test("Every beginning of the header is waited for")
    func slowHeader() {
        for count in 1..<header.count { #expect(Self.run(self.listener("/a"), Array(header[..<count])).verdict == .more) }
    }

    @Test("Unknown protocols without end, and ls without end, are cut off", arguments: ["/unknown", "ls"])
    func withoutEnd(text: String) {
        let limit = Negotiation.maximumMessages
        var conversation = header
        for _ in 0..<limit { conversation += frame(text) }
        #expect(Self.run(self.listener("/a"), conversation).verdict == .more)
        #expect(Self.run(self.listener("/a"), conversation + frame("/a")).verdict == .agreed("/a"))
        #expect(Self.run(self.listener("/a"), conversation + frame(text)).verdict == .failed(.tooManyMessages))
    }

    @Test("An answer that was not proposed is refused", arguments: ["/b", "ls", "/a/", ""])
    func unexpectedAnswer(text: String) {
        var opening = ByteBuffer()
        #expect(Self.run(self.dialer("/a", opening: &opening), header + frame(text)).verdict == .failed(.unexpectedAnswer))
    }

    @Test(
        "A name that a peer would take for something else can't be negotiated",
        arguments: ["na", "ls", "", "/line\nbreak", String(repeating: "x", count: 1_024)])
    func objections(name: String) {
        #expect(NegotiationTable.objection(to: ["/a", ProtocolID(name), "/b"])?.code == .invalidName)
    }

    @Test("The objection to multistream-select's own words says so")
    func ownWords() {
        #expect(
            NegotiationTable.objection(to: ["na"])?.message.contains("\"na\" can't be negotiated: the word is multistream-select's own")
                == true)
        #expect(NegotiationTable.objection(to: ["/na", "ls/", "NA", String(repeating: "x", count: 1_023)].map { ProtocolID($0) }) == nil)
    }

    @Test("A dialer with nothing to propose fails instead of waiting for ever")
    func nothingToPropose() {
        var opening = ByteBuffer()
        let negotiation = Negotiation(proposing: NegotiationTable([]), opening: &opening)
        #expect(opening.readableBytes == 0)
        #expect(Self.run(negotiation, header + frame("na")).verdict == .failed(.noCommonProtocol))
    }
}
