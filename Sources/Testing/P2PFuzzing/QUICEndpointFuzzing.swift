import NIOCore
import NIOEmbedded
import P2PQUIC

/// A peer that keeps to no rule, and a QUIC endpoint with the library's own connections behind it.
///
/// Datagrams that the input gives come as they are, under a known connection id, or sealed with the keys that everybody can derive
/// for a client's first packets, so that their frames and their TLS messages are looked at. Ids are the endpoint's choice and differ
/// from run to run.
enum QUICEndpointFuzzing {
    /// What an operation's byte says; the rest of its bits choose among connections.
    enum Operation: UInt8, CaseIterable {
        case raw, initial, sameInitial, known, accept, refuse, expire, dial
    }

    static let seeds: [[UInt8]] = {
        func bytes(_ operation: Operation, _ content: [UInt8] = []) -> [UInt8] {
            [operation.rawValue, UInt8(content.count >> 8), UInt8(content.count & 0xff)] + content
        }
        let ping: [UInt8] = [1]
        let acknowledgement: [UInt8] = [2, 0, 0, 0, 0]
        let close: [UInt8] = [0x1c, 0x0a, 6, 0]
        let hello: [UInt8] = [6, 0, 4, 1, 0, 0, 0]
        return [
            bytes(.initial, ping) + [Operation.accept.rawValue] + bytes(.sameInitial, acknowledgement) + bytes(.sameInitial, close),
            bytes(.initial, hello) + [Operation.accept.rawValue, Operation.expire.rawValue] + bytes(.known, [UInt8](0..<60)),
            bytes(.initial, ping) + [Operation.refuse.rawValue] + bytes(.initial, ping),
            [Operation.dial.rawValue] + bytes(.known, [UInt8](repeating: 7, count: 40)) + [Operation.expire.rawValue],
            bytes(.raw, [0x40] + [UInt8](repeating: 9, count: 40)),
        ]
    }()

    static func run(_ bytes: [UInt8]) {
        #if QUIC
            let channel = EmbeddedChannel()
            var input = FuzzInput(bytes)
            var peer = Peer(feed: self.makeFeed(channel))
            while !input.isEmpty { peer.act(&input) }
            peer.feed.finish()
            // What still answers for connections that are over goes as well.
            channel.embeddedEventLoop.advanceTime(by: .hours(1))
            _ = try? channel.finish(acceptAlreadyClosed: true)
        #endif
    }

    #if QUIC
        /// The connections of a run go with it.
        private static func makeFeed(_ channel: EmbeddedChannel) -> QUICEndpointFeed {
            do {
                return try QUICEndpointFeed(channel: channel, identity: .vector)
            } catch {
                preconditionFailure("no endpoint: \(error)")
            }
        }

        private struct Peer {
            let feed: QUICEndpointFeed
            private var initial: QUICInitialSeal?
            private var dialled = 0

            init(feed: QUICEndpointFeed) { self.feed = feed }

            mutating func act(_ input: inout FuzzInput) {
                let byte = input.byte()
                let choice = Int(byte >> 3)
                let port = UInt16(1_024 + choice % 4)
                switch Operation(rawValue: byte & 0x07) {
                case .raw: self.feed.receive(input.take(input.short()), fromPort: port, ecn: byte >> 6)
                case .initial:
                    self.initial = QUICInitialSeal(destination: [UInt8](repeating: UInt8(choice), count: 8 + choice % 13))
                    self.sendInitial(input.take(input.short()), port)
                case .sameInitial: self.sendInitial(input.take(input.short()), port)
                case .known:
                    let ids = self.feed.ids
                    let id = ids.isEmpty ? [] : ids[choice % ids.count].bytes
                    self.feed.receive([0x40 | byte & 0x3f] + id + input.take(input.short()), fromPort: port, ecn: 0)
                case .accept: self.feed.decide(accepting: true)
                case .refuse: self.feed.decide(accepting: false)
                case .expire: self.feed.expire()
                case .dial:
                    // Each costs a key exchange.
                    if self.dialled < 2 { self.feed.dial(port: port) }
                    self.dialled += 1
                case nil: break
                }
            }

            private mutating func sendInitial(_ frames: [UInt8], _ port: UInt16) {
                if let packet = self.initial?.seal(frames) { self.feed.receive(packet, fromPort: port, ecn: 0) }
            }
        }
    #endif
}
