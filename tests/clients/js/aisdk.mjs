// Vercel AI SDK: `aisdk.mjs KIND-CASE URL` runs one case and prints what came of it as JSON.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateObject, generateText, stepCountIs, streamText, tool } from 'ai'
import { z } from 'zod'

const [name, url] = process.argv.slice(2)
const [kind, what] = name.split('-')
const id = 'gemini-3-flash'
const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: 'any' })
const models = {
  responses: () => openai.responses(id),
  stateless: () => openai.responses('gpt-5'),
  chat: () => openai.chat(id),
  compatible: () =>
    createOpenAICompatible({ name: 'zg', baseURL: `${url}/v1`, apiKey: 'any', includeUsage: true, supportsStructuredOutputs: true })(id),
  google: () => createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: 'any' })(id),
  anthropic: () => createAnthropic({ baseURL: `${url}/v1`, apiKey: 'any' })(id),
}
const providerOptions = {
  openai: { reasoningSummary: 'auto', ...(kind === 'stateless' ? { store: false } : {}) },
  google: { thinkingConfig: { includeThoughts: true } },
  anthropic: { thinking: { type: 'adaptive' } },
}
const called = []
const weather = tool({
  description: 'Weather of a city',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    called.push(city)
    return { degrees: 18, city }
  },
})
const base = () => ({ model: models[kind](), providerOptions, maxRetries: 0 })
const tools = { get_weather: weather }
const usageOf = ({ inputTokens, outputTokens, totalTokens }) => [inputTokens, outputTokens, totalTokens]

const cases = {
  async tools() {
    const parts = []
    const errors = []
    const result = streamText({
      ...base(),
      tools,
      stopWhen: stepCountIs(5),
      prompt: 'What is the weather in Rome and Oslo? Use the tool.',
      onError: ({ error }) => errors.push(String(error)),
    })
    for await (const part of result.fullStream) parts.push(part.type)
    const steps = await result.steps
    return {
      text: await result.text,
      called,
      errors,
      parts: [...new Set(parts)],
      reasoning: steps.map((step) => step.reasoningText ?? ''),
      finish: steps.map((step) => step.finishReason),
      usage: usageOf(await result.totalUsage),
    }
  },
  async history() {
    // the messages of a turn, as the SDK keeps them, before a second prompt
    const messages = [{ role: 'user', content: 'What is the weather in Lima? Use the tool.' }]
    const first = await generateText({ ...base(), tools, stopWhen: stepCountIs(5), messages })
    messages.push(...first.responseMessages, { role: 'user', content: 'sim:echo' })
    const second = await generateText({ ...base(), tools, messages })
    return { first: first.text, called, text: second.text }
  },
  async object() {
    const schema = z.object({ city: z.string(), country: z.string().nullable(), tags: z.array(z.string()) })
    const { object, usage, finishReason } = await generateObject({ ...base(), schema, prompt: 'A place: Rome' })
    return { object, finishReason, usage: usageOf(usage) }
  },
  async forced() {
    const toolChoice = { type: 'tool', toolName: 'get_weather' }
    const { toolCalls } = await generateText({ ...base(), tools, toolChoice, prompt: 'Hello in Rome' })
    return toolCalls.map(({ toolName, input }) => ({ toolName, input }))
  },
  async error() {
    const errors = []
    const result = streamText({ ...base(), prompt: 'sim:503-mid', onError: ({ error }) => errors.push(String(error)) })
    let text = ''
    let ended = ''  // how the stream ends, where that is no part of it
    try {
      for await (const part of result.fullStream) if (part.type === 'text-delta') text += part.text
    } catch (error) {
      ended = String(error.cause ?? error)
    }
    return { text, errors, ended, finish: await result.finishReason.catch((error) => String(error)) }
  },
  async unicode() {
    const result = streamText({ ...base(), prompt: 'sim:unicode' })
    const texts = []
    for await (const text of result.textStream) texts.push(text)
    return { texts, text: await result.text }
  },
}
console.log(JSON.stringify(await cases[what]()))
