import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline
import P2PProxy

/// Proxies: however their answers are cut, they mean the same, and what stands behind them is left alone.
enum ProxyFuzzing {
    private static let proxies = ["http://127.0.0.1", "socks5://127.0.0.1", "http://me:pw@127.0.0.1", "socks5://me:pw@127.0.0.1"]

    /// Answers that open the way.
    static let answers: [[UInt8]] = [
        [0, 0] + Array("HTTP/1.1 200 OK\r\nVia: x\r\n\r\nabc".utf8), [0, 1, 5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7],
        [2, 3, 5, 2, 1, 0, 5, 0, 0, 3, 2, 9, 9, 0, 0, 7],
    ]

    private struct Talk: Equatable {
        var said: [[UInt8]] = []
        /// Bytes that are the target's; nil before the way is open.
        var left: Int?
        var error: TransportError.Code?
    }

    static func dialogue(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let seed = input.byte()
        let choice = input.number(below: Self.proxies.count)
        let stream = input.remainder()
        guard let proxy = try? ProxyURL(Self.proxies[choice]), let target = ProxyTarget("/dns/example.org/tcp/443")
        else { preconditionFailure("the proxy and the target are good") }
        let whole = Self.talk([stream], ProxyHandshake(proxy, to: target))
        let pieces = Self.talk(FuzzInput.pieces(of: stream, seed: seed), ProxyHandshake(proxy, to: target))
        precondition(whole == pieces, "cut by \(seed): \(pieces); in one piece: \(whole)")
    }

    private static func talk(_ pieces: [[UInt8]], _ handshake: ProxyHandshake) -> Talk {
        var (handshake, talk) = (handshake, Talk())
        do throws(TransportError) {
            for piece in pieces {
                var buffer = ByteBuffer(bytes: piece)
                if let left = talk.left {
                    talk.left = left + buffer.readableBytes
                    continue
                }
                step: while true {
                    switch try handshake.received(&buffer) {
                    case .more: break step
                    case .send(let message): talk.said.append(Array(message.readableBytesView))
                    case .done:
                        talk.left = buffer.readableBytes
                        break step
                    }
                }
                precondition(talk.left != nil || buffer.readableBytes == 0, "bytes are left though the answer is not complete")
            }
        } catch {
            talk.error = error.code
        }
        return talk
    }
}
