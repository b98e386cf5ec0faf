import NIOCore
import P2PMplex

/// The frame codec: however the bytes are cut, the frames are the same, and what is read can be written again.
enum MplexFrameFuzzing {
    private struct Reading: Equatable {
        var headers: [MplexHeader] = []
        var bodies: [[UInt8]] = []
        var violation: MplexViolation?
        var isAtBoundary = true
    }

    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let seed = input.byte()
        let stream = input.remainder()
        let whole = Self.read([stream])
        let pieces = Self.read(FuzzInput.pieces(of: stream, seed: seed))
        precondition(whole == pieces, "cut by \(seed): \(pieces); in one piece: \(whole)")
        var again = ByteBuffer()
        for (header, body) in zip(whole.headers, whole.bodies) {
            again.writeMplexHeader(header)
            again.writeBytes(body)
            precondition(body.count <= header.length && header.length <= MplexConfiguration.maximumFrameLength)
            precondition(header.number <= MplexStreamID.maximumNumber)
        }
        precondition(stream.starts(with: again.readableBytesView), "frames change when written again")
        if whole.violation == nil, whole.isAtBoundary { precondition(stream.count == again.readableBytes) }
    }

    private static func read(_ pieces: [[UInt8]]) -> Reading {
        var reading = Reading()
        var reader = MplexFrameReader()
        do throws(MplexViolation) {
            for piece in pieces {
                var buffer = ByteBuffer(bytes: piece)
                while let part = try reader.next(from: &buffer) {
                    switch part {
                    case .header(let header):
                        reading.headers.append(header)
                        reading.bodies.append([])
                    case .body(let body):
                        precondition(body.readableBytes > 0 && !reading.bodies.isEmpty)
                        reading.bodies[reading.bodies.count - 1] += Array(body.readableBytesView)
                    }
                }
                precondition(buffer.readableBytes == 0, "bytes are left though nothing more is to be had")
            }
        } catch {
            reading.violation = error
        }
        reading.isAtBoundary = reading.violation != nil || reader.isAtBoundary
        return reading
    }
}
