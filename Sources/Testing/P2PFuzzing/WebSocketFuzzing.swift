import NIOCore
import P2PCore
import P2PHTTPHead
import P2PPipeline
import P2PWebSocket

/// WebSockets: however the bytes are cut, they mean the same.
enum WebSocketFuzzing {
    private struct Reading: Equatable {
        var data: [UInt8] = []
        var controls: [String] = []
        var error: WebSocketError.Code?
    }

    static func frames(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let seed = input.byte()
        let choices = input.byte()
        let stream = input.remainder()
        let side: WebSocketSide = choices & 1 == 0 ? .server : .client
        let whole = Self.read([stream], side: side, takesText: choices & 2 != 0)
        let pieces = Self.read(FuzzInput.pieces(of: stream, seed: seed), side: side, takesText: choices & 2 != 0)
        precondition(whole.controls == pieces.controls && whole.error == pieces.error, "cut by \(seed): \(pieces); in one piece: \(whole)")
        // In one piece, what stands before an error within it may stay unread.
        precondition(whole.error != nil || whole.data == pieces.data, "data differs when cut by \(seed)")
        precondition(whole.data.count <= stream.count)
    }

    private static func read(_ pieces: [[UInt8]], side: WebSocketSide, takesText: Bool) -> Reading {
        var reading = Reading()
        var reader = WebSocketFrameReader(side: side, takesText: takesText)
        let pool = RecordPool()
        do throws(WebSocketError) {
            for piece in pieces {
                var buffer = ByteBuffer(bytes: piece)
                while let next = try reader.next(from: &buffer, pool: pool) {
                    switch next {
                    case .data(let data, _, let endsMessage):
                        reading.data += Array(data.readableBytesView)
                        if endsMessage { reading.controls.append("end") }
                    case .ping(let payload):
                        precondition(payload.readableBytes <= 125)
                        reading.controls.append("ping \(Array(payload.readableBytesView))")
                    case .pong: reading.controls.append("pong")
                    case .close(let code):
                        precondition(code?.mayBeSent ?? true)
                        reading.controls.append("close \(code?.description ?? "")")
                    }
                }
                precondition(buffer.readableBytes == 0, "bytes are left though nothing more is to be had")
            }
        } catch {
            reading.error = error.code
        }
        return reading
    }

    static func handshake(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let seed = input.byte()
        let stream = input.remainder()
        let whole = Self.head([stream])
        let pieces = Self.head(FuzzInput.pieces(of: stream, seed: seed))
        precondition(whole.head == pieces.head && whole.error == pieces.error, "a head differs when cut by \(seed)")
        guard let head = whole.head else { return }
        switch WebSocketAnswer(to: head, terms: WebSocketAnswer.Terms(origins: ["https://example.org"])) {
        case .accept(let response): precondition(response.readableBytes < 1_000)
        case .refuse(let response, _):
            let text = response.readableBytesView
            precondition(response.readableBytes < 1_000, "an answer repeats what was asked")
            precondition(text.allSatisfy { (0x20..<0x7f).contains($0) || $0 == 0x0a || $0 == 0x0d }, "an answer is not printable")
        }
    }

    private static func head(_ pieces: [[UInt8]]) -> (head: HTTPHead?, error: HTTPHeadError?) {
        var reader = HTTPHeadReader()
        do throws(HTTPHeadError) {
            for piece in pieces {
                var buffer = ByteBuffer(bytes: piece)
                if let head = try reader.received(&buffer) { return (head, nil) }
                precondition(buffer.readableBytes == 0)
            }
        } catch {
            return (nil, error)
        }
        return (nil, nil)
    }
}
