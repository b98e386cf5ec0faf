import NIOCore
import P2PIdentity
import P2PMultiaddr
import P2PTunnels

/// A file of tunnels, one a line; `#` begins a comment:
///
/// ```
/// serve /x/ssh 127.0.0.1:22 peer=12D3KooW…,12D3KooX…
/// serve /x/dns 127.0.0.1:53 udp
/// forward 127.0.0.1:2222 /dns4/example.org/tcp/4001/p2p/12D3KooW… /x/ssh
/// ```
enum TunnelFile {
    /// The longest file, in bytes.
    static let maximumSize = 1_048_576

    static func read(_ path: String) throws -> TunnelPlan {
        let bytes = try SystemFile.contents(of: path, upTo: self.maximumSize)
        guard bytes.readableBytes <= self.maximumSize, let text = String(validating: bytes.readableBytesView, as: UTF8.self) else {
            throw ToolError("inputFailed", "\(path) is no text in UTF-8 of at most \(self.maximumSize) bytes")
        }
        return try self.plan(text)
    }

    /// - Throws: `ToolError` with the line of the first mistake.
    static func plan(_ text: String) throws(ToolError) -> TunnelPlan {
        var services: [TunnelService] = []
        var forwards: [TunnelPlan.Forward] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let words = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" || $0 == "\r" }.map(String.init)
            guard let verb = words.first else { continue }
            do throws(Mistake) {
                switch verb {
                case "serve": services.append(try self.service(words.dropFirst()))
                case "forward": forwards.append(try self.forward(words.dropFirst()))
                default: throw Mistake(message: "a tunnel begins with serve or forward, and not with \(verb)")
                }
            } catch {
                throw ToolError("tunnelsNotRead", "tunnels line \(index + 1): \(error.message)")
            }
        }
        return TunnelPlan(services: services, forwards: forwards)
    }

    private struct Mistake: Error {
        let message: String
    }

    private static func service(_ words: ArraySlice<String>) throws(Mistake) -> TunnelService {
        let words = Array(words)
        guard words.count >= 2 else { throw Mistake(message: "serve wants a name and a target") }
        guard let name = TunnelName(words[0]) else {
            throw Mistake(message: "\(words[0]) names no service: /x/ and letters, digits, . _ -")
        }
        guard let target = TunnelEndpoint(words[1]) else { throw Mistake(message: "\(words[1]) is no HOST:PORT and no unix:PATH") }
        var service = TunnelService(name, at: target)
        for word in words.dropFirst(2) {
            if word == "udp" {
                service.isDatagrams = true
            } else if word.hasPrefix("peer=") {
                var peers: Set<PeerID> = []
                for text in word.dropFirst(5).split(separator: ",") {
                    guard let peer = PeerID(String(text)) else { throw Mistake(message: "\(text) is no peer's id") }
                    peers.insert(peer)
                }
                service.access = .peers(peers)
            } else if word.hasPrefix("introduce="), let how = TunnelService.Introduction(rawValue: String(word.dropFirst(10))) {
                service.introduction = how
            } else {
                throw Mistake(message: "\(word) is neither udp, peer=ID,… nor introduce=none|line|proxy")
            }
        }
        return service
    }

    private static func forward(_ words: ArraySlice<String>) throws(Mistake) -> TunnelPlan.Forward {
        let words = Array(words)
        guard words.count == 3 || words.count == 4 && words[3] == "udp" else {
            throw Mistake(message: "forward wants what to listen on, a peer's address and a name, and perhaps udp")
        }
        guard let listen = TunnelEndpoint(words[0]) else { throw Mistake(message: "\(words[0]) is no HOST:PORT and no unix:PATH") }
        guard let address = try? Multiaddr(words[1]), let peer = address.peerID else {
            throw Mistake(message: "\(words[1]) is no address with /p2p/ and a peer's id")
        }
        guard let name = TunnelName(words[2]) else {
            throw Mistake(message: "\(words[2]) names no service: /x/ and letters, digits, . _ -")
        }
        return TunnelPlan.Forward(forward: TunnelForward(listen, to: peer, name, isDatagrams: words.count == 4), address: address)
    }
}
