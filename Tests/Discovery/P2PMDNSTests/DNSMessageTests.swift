import Foundation
import P2PCore
import P2PMultiaddr
import P2PVectors
import Testing

@testable import P2PMDNS

@Suite("The DNS codec")
struct DNSMessageTests {
    private func sample() throws -> DNSMessage {
        let name = try DNSName("_p2p._udp.local")
        let instance = try DNSName("abc._p2p._udp.local")
        var message = DNSMessage(isResponse: true)
        message.id = 7
        message.questions = [DNSQuestion(name, .ptr, wantsUnicast: true)]
        message.answers = [DNSRecord(name, timeToLive: 120, .pointer(instance))]
        message.additionals = [
            DNSRecord(instance, timeToLive: 120, flushesCache: true, .text([Array("dnsaddr=/ip4/1.2.3.4/tcp/1".utf8), []])),
            DNSRecord(instance, timeToLive: 1, .service(priority: 1, weight: 2, port: 3, target: try DNSName("abc.local"))),
            DNSRecord(try DNSName("abc.local"), timeToLive: .max, .address(.loopbackV4)),
            DNSRecord(try DNSName("abc.local"), timeToLive: 0, .address(.loopbackV6)),
            DNSRecord(.root, timeToLive: 0, class: .any, .other(DNSType(rawValue: 47), [1, 2, 3])),
        ]
        return message
    }

    @Test("A message is read as it was written, and names are written once")
    func roundTrip() throws {
        let message = try self.sample()
        let bytes = try message.encoded()
        #expect(try DNSMessage(bytes) == message)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.components(separatedBy: "_udp").count == 2)
    }

    @Test("Cut anywhere, a message is refused with a reason")
    func truncation() throws {
        let bytes = try self.sample().encoded()
        for length in bytes.indices {
            #expect(throws: DNSError.self) { try DNSMessage(Array(bytes.prefix(length))) }
        }
    }

    @Test("Names differ by more than the case of their letters")
    func names() throws {
        #expect(try DNSName("_P2P._udp.LOCAL") == DNSName("_p2p._UDP.local"))
        #expect(try DNSName("a.b") != DNSName("ab"))
        #expect(try DNSName("x.a.b").isChild(of: DNSName("A.B")))
        #expect(try !DNSName("x.y.a.b").isChild(of: DNSName("a.b")))
        #expect(try !DNSName("a.b").isChild(of: DNSName("a.b")))
        #expect(try DNSName(labels: [[0x2e, 0x07], [0x61]]).description == "\\.\\007.a")
        #expect(throws: DNSError(.badLabel, "")) { try DNSName(String(repeating: "a", count: 64)) }
        #expect(throws: DNSError(.tooLarge, "")) { try DNSName(Array(repeating: "abcdefg", count: 32).joined(separator: ".")) }
        #expect(try DNSName(Array(repeating: "abcdefg", count: 31).joined(separator: ".")).wire.count == 249)
    }

    /// A question whose name is these bytes, at byte 12.
    private func question(_ name: [UInt8]) -> [UInt8] {
        [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name + [0, 12, 0, 1]
    }

    @Test(
        "Pointers that lead on, to themselves or round in circles are refused",
        arguments: [
            [0xc0, 12], [0xc0, 14, 0xc0, 12], [1, 0x61, 0xc0, 12], [0xc0, 13], [0xff, 0xff], [0xc0, 16, 0, 0],
        ] as [[UInt8]])
    func pointerLoops(name: [UInt8]) {
        #expect(throws: DNSError(.badPointer, "")) { try DNSMessage(self.question(name)) }
    }

    @Test("A long chain of pointers back is refused, a short one followed")
    func pointerChains() throws {
        // Each question's name is a pointer to the one before.
        func chain(_ count: Int) -> [UInt8] {
            var bytes: [UInt8] = [0, 0, 0, 0, 0, UInt8(count), 0, 0, 0, 0, 0, 0, 1, 0x61, 0, 0, 12, 0, 1]
            var place = 12
            for _ in 1..<count {
                let next = bytes.count
                bytes += [0xc0 | UInt8(place >> 8), UInt8(place & 0xff), 0, 12, 0, 1]
                place = next
            }
            return bytes
        }
        #expect(try DNSMessage(chain(100)).questions.last?.name.description == "a")
        #expect(throws: DNSError(.badPointer, "")) { try DNSMessage(chain(140)) }
    }

    @Test("A name that grows beyond its limit by pointers is refused")
    func pointerGrowth() {
        let label = [63] + [UInt8](repeating: 0x61, count: 63)
        let name = label + label + label + [0]
        let second = label + [0xc0, 12]
        let bytes = [0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0] + name + [0, 12, 0, 1] + second + [0, 12, 0, 1]
        #expect(throws: DNSError(.tooLarge, "")) { try DNSMessage(bytes) }
    }

    @Test("Counts beyond the limit, unknown labels and data that do not fit their type are refused")
    func malformed() throws {
        #expect(throws: DNSError(.tooLarge, "")) { try DNSMessage([0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0]) }
        #expect(throws: DNSError(.tooLarge, "")) { try DNSMessage([UInt8](repeating: 0, count: DNSLimits.message + 1)) }
        #expect(throws: DNSError(.badLabel, "")) { try DNSMessage(self.question([0x40, 0])) }
        #expect(throws: DNSError(.badLabel, "")) { try DNSMessage(self.question([0x80, 0])) }
        func record(_ type: UInt8, _ data: [UInt8]) -> [UInt8] {
            [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, type, 0, 1, 0, 0, 0, 9, 0, UInt8(data.count)] + data
        }
        for (type, data) in [(1, [1, 2, 3]), (28, [1]), (16, [5, 1]), (12, [0, 0]), (33, [0, 0, 0, 0, 0, 1, 0, 9])] as [(UInt8, [UInt8])] {
            #expect(throws: DNSError(.badRecord, "")) { try DNSMessage(record(type, data)) }
        }
        #expect(try DNSMessage(record(16, [])).answers.first?.content == .text([]))
    }

    @Test(
        "Nothing in the public corpora breaks it, and what is accepted survives a round trip",
        .enabled(if: Vectors.exist("dns-corpus"), "\(Vectors.areAbsent)"), arguments: ["fuzzinput", "fuzznames"])
    func corpora(folder: String) throws {
        var accepted = 0
        for bytes in try Vectors.files("dns-corpus/test/\(folder)") {
            guard let message = try? DNSMessage(bytes) else { continue }
            accepted += 1
            guard let again = try? message.encoded() else { continue }
            #expect(try DNSMessage(again).answers == message.answers)
        }
        if folder == "fuzzinput" { #expect(accepted > 0) }
    }
}
